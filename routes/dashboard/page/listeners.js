import { html, useState } from "htm/preact/standalone";
import { ask } from "./gateway.js";
import { Dialog, Field, Form, Note, Section, Table } from "./parts.js";
import { Explained } from "./explained.js";
import { bytes, count, percent, rate } from "./shown.js";
import { t } from "./words.js";

/** The listeners, and what can be done with what they hold. */
export function Listeners({ listeners, may }) {
  const [open, setOpen] = useState(null);
  const columns = [
    { title: t("Listener") },
    { title: t("Requests a second"), isNumber: true },
    { title: t("Requests"), isNumber: true },
    { title: t("From the cache"), isNumber: true },
    { title: t("In flight"), isNumber: true },
    { title: "5xx", isNumber: true },
    { title: t("Memory"), isNumber: true },
    { title: t("Disk"), isNumber: true },
    { title: t("Actions"), isWide: true },
  ];
  const button = (kind, listener, word) =>
    html`<button type="button" class="small" aria-label=${`${word}: ${listener.name}`} onClick=${() =>
      setOpen({ kind, listener })}>${word}</button>`;
  const rows = listeners.map((listener) => {
    const { name, listen, hosts, prefix, pool, cache } = listener;
    return {
      key: name,
      cells: [
        html`<b>${name}</b><small class="address">${(hosts ?? []).join(", ") || listen}${prefix} → ${pool}</small>`,
        rate(listener.requests_per_second),
        count(listener.requests),
        percent(cache.hit_rate_1h ?? cache.hit_rate),
        count(listener.in_flight),
        html`<span class=${listener.by_status?.["5xx"] > 0 ? "bad-text" : ""}>${
          count(listener.by_status?.["5xx"] ?? 0)
        }</span>`,
        bytes(cache.memory.bytes),
        bytes(cache.disk.bytes),
        html`<span class="buttons">${
          may && [button("purge", listener, t("Purge")), button("prewarm", listener, t("Prewarm"))]
        }${button("explain", listener, t("Explain"))}</span>`,
      ],
    };
  });
  const Open = open && { purge: Purge, prewarm: Prewarm, explain: Explain }[open.kind];
  return html`<${Section} id="listeners" title=${t("Listeners")}>
    <${Table} label=${t("Listeners")} columns=${columns} rows=${rows} />
    ${open && html`<${Open} listener=${open.listener} onClose=${() => setOpen(null)} />`}
  <//>`;
}

/** A path that the listener takes. */
function below({ prefix }, path) {
  return (prefix ?? "").replace(/\/$/, "") + path;
}

function Purge({ listener, onClose }) {
  const { name } = listener;
  const [by, setBy] = useState("url");
  const [outcome, setOutcome] = useState(null);
  const send = async ({ value, hard }) => {
    const order = { listener: name, ...(by === "listener" ? {} : { [by]: value }), hard: hard === "on" };
    setOutcome(await ask("POST", "/purge", order));
  };
  const kinds = [
    ["url", t("one URL")],
    ["prefix", t("all below a path")],
    ["glob", t("all that a pattern matches")],
    ["tag", t("all with a tag")],
    ["listener", t("everything of this listener")],
  ];
  const examples = {
    url: below(listener, "/movie/550"),
    prefix: below(listener, "/movie/"),
    glob: below(listener, "/*/images*"),
    tag: "movie:550",
  };
  return html`
    <${Dialog} title=${t("Purge {name}", { name })} onClose=${onClose}>
      <${Form} send=${send} submit=${t("Purge")} kind="danger">
        <${Field} title=${t("What")}><select name="by" value=${by} onChange=${(event) => setBy(event.target.value)}>
            ${kinds.map(([value, word]) => html`<option key=${value} value=${value}>${word}</option>`)}
          </select><//>
          ${by !== "listener" && html`<${Field} title=${kinds.find(([kind]) => kind === by)[1]}>
        <input name="value" required maxlength="8192" autocomplete="off" spellcheck=${false} placeholder=${
            examples[by]
          } /><//>`}
          <label class="check"><input type="checkbox" name="hard" /> ${t(
            "remove at once, instead of marking stale",
          )}</label>
        <//>
        ${outcome &&
          (outcome.ok
            ? html`<${Note} tone="good">${
              t("Purged in {n} workers; {m} stored responses named", {
                n: outcome.value.workers,
                m: count(outcome.value.matched),
              })
            }<//>`
            : html`<${Note} tone="bad">${outcome.detail}<//>`)}
      <//>
  `;
}

function Prewarm({ listener, onClose }) {
  const { name } = listener;
  const [outcome, setOutcome] = useState(null);
  const send = async ({ paths }) => {
    const list = paths.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    setOutcome(await ask("POST", "/jobs/prewarm", { listener: name, ...(list.length === 0 ? {} : { paths: list }) }));
  };
  return html`
    <${Dialog} title=${t("Prewarm {name}", { name })} onClose=${onClose}>
      <${Form} send=${send} submit=${t("Begin")}>
        <${Field} title=${t("Paths, one a line")} hint=${t("None: the list of the configuration")}>
            <textarea name="paths" rows="6" spellcheck=${false} placeholder=${[550, 603].map((id) =>
              below(listener, `/movie/${id}`)
            ).join("\n")}></textarea><//>
        <//>
        ${outcome &&
          (outcome.ok
            ? html`<${Note} tone="good">${t("Begun: {n} paths. See Jobs.", { n: count(outcome.value.total) })}<//>`
            : html`<${Note} tone="bad">${outcome.detail}<//>`)}
      <//>
  `;
}

function Explain({ listener, onClose }) {
  const [outcome, setOutcome] = useState(null);
  const send = async ({ url }) => setOutcome(await ask("POST", "/explain", { url }));
  return html`
    <${Dialog} title=${t("Explain a request to {name}", { name: listener.name })} onClose=${onClose}>
      <${Form} send=${send} submit=${t("Explain")}>
        <${Field} title="URL" hint=${t("Nothing is sent anywhere.")}>
            <input name="url" required maxlength="8192" autocomplete="off" spellcheck=${false} defaultValue=${urlAt(
              listener,
            )} /><//>
        <//>
        ${outcome &&
          (outcome.ok
            ? html`<${Explained} explanation=${outcome.value} />`
            : html`<${Note} tone="bad">${outcome.detail}<//>`)}
      <//>
  `;
}

/** A URL that the listener takes, to begin with. */
export function urlAt({ hosts, listen, prefix }) {
  const port = /:(\d+)$/.exec(listen ?? "")?.[1];
  const host = hosts?.find((name) => !name.includes("*")) ?? location.hostname;
  return `http://${host}${port ? `:${port}` : ""}${prefix === "/" ? "" : prefix ?? ""}/`;
}
