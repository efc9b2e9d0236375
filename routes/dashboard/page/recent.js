import { html, useEffect, useState } from "htm/preact/standalone";
import { ask } from "./gateway.js";
import { Empty, Pill, Section, Table } from "./parts.js";
import { Phases, Times } from "./explained.js";
import { ago, bytes, count, ms } from "./shown.js";
import { t } from "./words.js";

/** What is asked for apart from the events is asked for again after so long. */
const AGAIN_MS = 10_000;
const SHOWN = 12;
const USAGE_AGAIN_MS = 60_000;
/** Rows of usage that are shown, and so many more each time. */
const USAGE_ROWS = 60;

/**
 * What an address of the admin interface answers, again and again while the page is seen: `undefined` until it has, `null` where there is
 * nothing at that address.
 */
export function useAnswer(path, everyMs = AGAIN_MS) {
  const [answer, setAnswer] = useState(undefined);
  useEffect(() => {
    let isOver = false;
    let timer;
    const load = async () => {
      const { ok, status, value } = document.hidden ? {} : await ask("GET", path);
      if (isOver) return;
      if (ok) setAnswer(value);
      // Gone for good: this gateway does not have it.
      if (status === 404) return setAnswer(null);
      timer = setTimeout(load, ok ? everyMs : Math.min(everyMs, AGAIN_MS));
    };
    load();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [path]);
  return answer;
}

/** Lists stand alone or under a name. */
export function listOf(value, name) {
  return Array.isArray(value) ? value : value?.[name] ?? null;
}

/** What went wrong lately, what took long, and what is asked for most. */
export function Recently({ problems }) {
  return html`<div class="recently">
    ${problems !== null && html`<${Problems} problems=${problems} />`}
    <${Slow} />
    <${Top} />
  </div>`;
}

function Problems({ problems }) {
  const columns = [{ title: t("When") }, { title: t("Level") }, { title: t("What"), isWide: true }];
  const rows = problems.slice(0, SHOWN).map((problem, index) => ({
    key: `${problem.at}-${index}`,
    cells: [
      ago(problem.at),
      html`<${Pill} tone=${problem.level === "error" ? "bad" : "warn"}>${
        problem.level === "error" ? t("error") : t("warning")
      }<//>`,
      html`${problem.message}<${Times} n=${problem.count} /><small>${fieldWords(problem.fields)}</small>`,
    ],
  }));
  return html`<${Section} id="problems" title=${t("Problems lately")}>
    ${
    rows.length === 0
      ? html`<${Empty}>${t("None.")}<//>`
      : html`<${Table} label=${t("Problems lately")} columns=${columns} rows=${rows} />`
  }
  <//>`;
}

function fieldWords(fields) {
  return Object.entries(fields ?? {}).map(([name, value]) =>
    `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`
  ).join(" ");
}

function Slow() {
  const requests = listOf(useAnswer("/slow"), "requests");
  if (requests === null) return null;
  const columns = [
    { title: t("When") },
    { title: t("Request") },
    { title: t("Status"), isNumber: true },
    { title: t("Cache") },
    { title: t("Time"), isNumber: true },
    { title: t("Where the time went"), isWide: true },
  ];
  // Clients name their requests: two may have one id.
  const rows = requests.slice(0, SHOWN).map((request) => ({
    key: `${request.id} ${request.at} ${request.target}`,
    cells: [
      ago(request.at),
      html`<span class="target">${request.method} ${request.target}</span><small>${request.listener} · ${request.id}</small>`,
      String(request.status),
      request.cache,
      ms(request.total_ms),
      html`<${Phases} phases=${request.phases} total=${request.total_ms} /><small>${request.upstream}${
        request.tries > 1 && ` · ${t("{n} tries", { n: request.tries })}`
      }</small>`,
    ],
  }));
  return html`<${Section} id="slow" title=${t("Slow requests")}>
    ${
    rows.length === 0
      ? html`<${Empty}>${t("None in the last hour.")}<//>`
      : html`<${Table} label=${t("Slow requests")} columns=${columns} rows=${rows} />`
  }
  <//>`;
}

function Top() {
  const [by, setBy] = useState("requests");
  const top = listOf(useAnswer(`/top?by=${by}`), "top");
  if (top === null) return null;
  const words = { requests: t("requests"), misses: t("misses"), bytes: t("bytes"), time: t("time") };
  const columns = [
    { title: t("URL") },
    { title: t("Requests"), isNumber: true },
    { title: t("Misses"), isNumber: true },
    { title: t("Bytes"), isNumber: true },
    { title: t("Time"), isNumber: true },
  ];
  const rows = top.slice(0, SHOWN).map((one) => ({
    key: `${one.listener} ${one.target}`,
    cells: [
      html`<span class="target">${one.target}</span><small>${one.listener}</small>`,
      count(one.requests),
      count(one.misses),
      bytes(one.bytes),
      ms(one.ms),
    ],
  }));
  const choice = html`<label class="inline">${t("by")} <select value=${by} onChange=${(event) =>
    setBy(event.target.value)}>
    ${
    Object.entries(words).map(([value, word]) => html`<option key=${value} value=${value}>${word}</option>`)
  }</select></label>`;
  return html`<${Section} id="top" title=${t("Asked for most")} aside=${choice}>
    ${
    rows.length === 0
      ? html`<${Empty}>${t("Nothing yet.")}<//>`
      : html`<${Table} label=${t("Asked for most")} columns=${columns} rows=${rows} />`
  }
  <//>`;
}

/** What each client has used, a row a day: asked for when it is unfolded. */
export function Usage() {
  const [isOpen, setOpen] = useState(false);
  return html`<details class="section" id="usage" onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>${t("Usage by day")}</summary>${isOpen && html`<${UsageTable} />`}
  </details>`;
}

function UsageTable() {
  const [most, setMost] = useState(USAGE_ROWS);
  const answer = useAnswer("/usage?days=7", USAGE_AGAIN_MS);
  if (answer === undefined) return null;
  const usage = listOf(answer, "usage") ?? [];
  if (usage.length === 0) return html`<${Empty}>${t("Nothing yet.")}<//>`;
  const columns = [
    { title: t("Day") },
    { title: t("Listener") },
    { title: t("Client") },
    { title: t("Requests"), isNumber: true },
    { title: t("Hits"), isNumber: true },
    { title: t("Bytes"), isNumber: true },
  ];
  const rows = usage.toSorted((one, other) => other.day.localeCompare(one.day)).map((one) => ({
    key: `${one.day} ${one.listener} ${one.client}`,
    cells: [one.day, one.listener, one.client ?? "–", count(one.requests), count(one.hits), bytes(one.bytes)],
  }));
  const left = rows.length - most;
  return html`<${Table} label=${t("Usage by day")} columns=${columns} rows=${rows.slice(0, most)} />
    ${
    left > 0 &&
    html`<p class="muted">${t("{n} more rows.", { n: count(left) })} <button type="button" class="plain small"
      onClick=${() => setMost(most + USAGE_ROWS)}>${t("Show more")}</button></p>`
  }`;
}
