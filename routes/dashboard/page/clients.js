import { html, useState } from "htm/preact/standalone";
import { Copy, Field, Section, Table } from "./parts.js";
import { useAnswer } from "./recent.js";
import { t } from "./words.js";

const ONCE_AN_HOUR_MS = 3_600_000;

/** For the first start: how clients are pointed here, ready to be copied; later it is folded. */
export function Clients({ isFirst }) {
  const answer = useAnswer("/clients", ONCE_AN_HOUR_MS);
  const [typed, setTyped] = useState(null);
  if (!answer) return null;
  const host = typed ?? answer.host;
  const named = (text) => host === "" ? text : text.replaceAll(answer.host, host);
  const settings = answer.clients.map(({ client, way, setting, value, needs }) => [
    client,
    html`${setting ?? (way === "dns" ? t("none: by DNS") : "–")}${
      needs !== "nothing" && html`<small>${needs}</small>`
    }`,
    value,
  ]);
  const bases = answer.base_urls.map((
    { listener, url },
  ) => [t("listener {name}", { name: listener }), t("base URL"), url]);
  const columns = [{ title: t("Client") }, { title: t("Setting") }, { title: t("Value"), isWide: true }];
  const rows = [...settings, ...bases].map(([client, setting, value], index) => ({
    key: index,
    cells: [html`<b>${client}</b>`, setting, value === null ? "–" : html`<${Copy} text=${named(value)} />`],
  }));
  const body = html`
    <div>
      <${Field} title=${t("Name or address of this machine, as clients reach it")}>
          <input class="host" value=${host} spellcheck=${false} autocomplete="off"
            onInput=${(event) => setTyped(event.target.value.trim())} /><//>
        ${host === answer.host && answer.notes.map((note) => html`<p class="muted" key=${note}>${note}</p>`)}
        <${Table} label=${t("Settings of clients")} columns=${columns} rows=${rows} />
      </div>
  `;
  if (!isFirst) {
    return html`<details class="section clients"><summary>${t("Connect a client")}</summary>${body}</details>`;
  }
  return html`<${Section} id="clients" title=${t("Nothing has been asked for yet: connect a client")}>
    <p class="muted">${t("Enter one of these in a client. What comes in shows up here at once.")}</p>
    ${body}
  <//>`;
}
