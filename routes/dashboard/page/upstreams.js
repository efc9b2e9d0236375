import { html } from "htm/preact/standalone";
import { ask } from "./gateway.js";
import { sum } from "./model.js";
import { Action, Meter, Pill, Section, Table } from "./parts.js";
import { ago, count, ms, percent, rate } from "./shown.js";
import { t } from "./words.js";

const GOOD = new Set(["healthy", "unknown"]);

/** The pools with their upstreams, and their keys where they have some. */
export function Upstreams({ pools, tell, may }) {
  return html`<${Section} id="upstreams" title=${t("Upstreams")}>
    ${
    pools.map((pool) =>
      html`<div class="pool" key=${pool.name}>
      <h3>${pool.name} <span class="muted">${pool.type} · ${pool.strategy}</span></h3>
      <${PoolTable} pool=${pool} tell=${tell} may=${may} />
      <${PoolNote} pool=${pool} />
      ${pool.keys && html`<${Keys} pool=${pool} />`}
    </div>`
    )
  }
  <//>`;
}

function PoolTable({ pool, tell, may }) {
  const columns = [
    { title: t("Upstream") },
    { title: t("State") },
    { title: t("Share") },
    { title: t("Recent time"), isNumber: true },
    { title: t("Long-term time"), isNumber: true },
    { title: t("In flight"), isNumber: true },
    { title: t("Tries"), isNumber: true },
    { title: t("Failed"), isNumber: true },
    { title: t("Actions"), isWide: true },
  ];
  const rows = pool.upstreams.map((upstream) => ({
    key: upstream.url,
    cells: [
      html`<b class="url">${upstream.url}</b>`,
      html`<${State} upstream=${upstream} />`,
      html`<${Share} part=${upstream.share} />`,
      ms(upstream.fast_ms),
      ms(upstream.slow_ms),
      `${count(upstream.in_flight)}${upstream.max_in_flight === null ? "" : ` / ${count(upstream.max_in_flight)}`}`,
      count(sum(Object.values(upstream.tries))),
      count(failures(upstream)),
      may ? html`<${Orders} pool=${pool} upstream=${upstream} tell=${tell} />` : "–",
    ],
  }));
  return html`<${Table} label=${t("Upstreams of {name}", { name: pool.name })} columns=${columns} rows=${rows} />`;
}

/** Tries that did not bring an answer that is good enough. */
function failures({ tries: { ok: _ok, cancelled: _cancelled, ...failed } }) {
  return sum(Object.values(failed));
}

function State({ upstream }) {
  const { drained, state, healthy, reason, since } = upstream;
  if (drained) {
    return html`<${Pill} tone="calm">${t("drained")}<//><small>${
      t("{ago} by {who}", { ago: ago(drained.since), who: drained.by })
    }</small>`;
  }
  const tone = healthy === false ? "bad" : GOOD.has(state) ? "good" : "warn";
  return html`<${Pill} tone=${tone}>${stateWord(state)}<//>${
    reason && !GOOD.has(state) && html`<small>${reason}${since && ` · ${ago(since)}`}</small>`
  }`;
}

function stateWord(state) {
  const words = {
    healthy: t("healthy"),
    unknown: t("not checked"),
    unhealthy: t("unhealthy"),
    ejected: t("ejected"),
    half_open: t("on probation"),
  };
  return words[state] ?? state;
}

function Share({ part }) {
  if (part === undefined || part === null) return "–";
  const said = percent(part);
  return html`<span class="share"><${Meter} value=${part} label=${said} /><span>${said}</span></span>`;
}

function Orders({ pool, upstream, tell }) {
  const { url, drained } = upstream;
  if (drained === undefined) return "–";
  const order = async (what, done) => {
    const { ok, detail, value } = await ask("POST", `/pools/${encodeURIComponent(pool.name)}/${what}`, {
      upstream: url,
    });
    tell(ok ? "good" : "bad", ok ? done(value) : detail);
  };
  const drain = () =>
    drained
      ? order("undrain", () => t("{url} gets requests again", { url }))
      : order("drain", () => t("{url} gets no new requests", { url }));
  const checked = (value) =>
    value?.ok
      ? t("{url} answers well, in {time}", { url, time: ms(value.ms) })
      : t("{url} does not answer well: {why}", { url, why: value?.detail ?? "" });
  return html`<span class="buttons">
    <${Action} kind="small" run=${drain} label=${`${drained ? t("Undrain") : t("Drain")}: ${url}`}>${
    drained ? t("Undrain") : t("Drain")
  }<//>
    <${Action} kind="small" run=${() => order("check", checked)} label=${`${t("Check now")}: ${url}`}>${
    t("Check now")
  }<//>
  </span>`;
}

/** Retries, hedges and queues, where there were any. */
function PoolNote({ pool: { retries, hedges, queue } }) {
  const parts = [
    retries.made > 0 && t("retries: {n}", { n: count(retries.made) }),
    retries.refused > 0 && t("retries over the budget: {n}", { n: count(retries.refused) }),
    hedges.sent > 0 && t("hedges: {n}, of them won: {m}", { n: count(hedges.sent), m: count(hedges.won) }),
    queue.waiting > 0 && t("{n} wait for an upstream", { n: count(queue.waiting) }),
    queue.refused > 0 && t("{n} refused, no upstream had room", { n: count(queue.refused) }),
  ].filter(Boolean);
  return parts.length > 0 && html`<p class="muted pool-note">${parts.join(" · ")}</p>`;
}

function Keys({ pool }) {
  const tones = { ready: "good", limited: "warn", refused: "bad" };
  const words = { ready: t("ready"), limited: t("at its limit"), refused: t("refused") };
  const columns = [
    { title: t("Key") },
    { title: t("State") },
    { title: t("Requests"), isNumber: true },
    { title: t("At the limit"), isNumber: true },
    { title: t("Refused"), isNumber: true },
    { title: t("Rate"), isNumber: true },
  ];
  const rows = pool.keys.map((key) => ({
    key: key.key,
    cells: [
      html`<b>${t("key {n}", { n: key.key })}</b>`,
      html`<${Pill} tone=${tones[key.state] ?? "warn"}>${words[key.state] ?? key.state}<//>`,
      count(key.requests),
      count(key.limited),
      count(key.refused),
      key.max_rps === null ? "–" : `${rate(key.max_rps)}/s`,
    ],
  }));
  return html`<${Table} label=${t("Keys of {name}", { name: pool.name })} columns=${columns} rows=${rows} />`;
}
