import { html } from "htm/preact/standalone";
import { Note } from "./parts.js";
import { count, ms, span } from "./shown.js";
import { t } from "./words.js";

/** What `explain` says of a request: which listener takes it, what the cache does, what upstreams would get. */
export function Explained({ explanation }) {
  const { refused, served, nearest, note } = explanation;
  return html`<div class="explained">
    ${note && html`<p class="muted">${note}</p>`}
    ${refused && html`<${Note} tone="bad">${refused.status} ${refused.message} ${refused.hint}<//>`}
    ${served.length === 0 && !refused && html`<${Note} tone="bad">${t("No listener takes it.")} ${nearest}<//>`}
    ${served.map((one) => html`<${Served} key=${one.address} one=${one} />`)}
  </div>`;
}

function Served({ one }) {
  const { cache } = one;
  const rules = one.rules.filter(({ unmet }) => unmet === null);
  const rows = [
    [t("listener"), `${one.listener} (${one.address})`],
    [t("pool"), `${one.pool} (${one.type})`],
    [t("kind of request"), one.class],
    [t("private"), one.private ?? t("no: it may be shared")],
    [t("own answer"), one.own_answer && `${one.own_answer.status} ${one.own_answer.text}`],
    [t("cache"), cacheWords(cache)],
    [t("key"), cache?.key && html`<code>${cache.key.join(" ")}</code>`],
    [t("tags"), cache?.tags.join(", ")],
    ...(cache?.answers ?? []).map((
      answer,
    ) => [t("an answer {status}", { status: answer.status }), answerWords(answer)]),
    ...rules.map(({ rule, does }) => [t("rule {n}", { n: rule }), does.join("; ")]),
    [t("delivery"), one.delivery.join(" → ")],
    ...one.upstreams.map(({ id, request }) => [
      t("upstream"),
      html`${id}${request && html`<br /><code>${request.method} ${request.target}</code>`}`,
    ]),
    ...Object.entries(one.settings).map(([name, value]) => [name, value]),
  ];
  return html`<dl class="rows">${
    rows.filter(([, value]) => value).map(([name, value], index) =>
      html`
        <div key=${index}>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>
      `
    )
  }</dl>`;
}

function cacheWords(cache) {
  if (cache === null) return t("not used");
  return cache.bypass === null
    ? t("looked up ({mode})", { mode: cache.mode })
    : t("passed by: {why}", { why: cache.bypass });
}

function answerWords(answer) {
  if (!answer.stored) return t("not stored: {why}", { why: answer.decided_by });
  return t("stored, fresh for {span}: {why}", { span: span(answer.fresh_ms / 1000), why: answer.decided_by });
}

/** Less than this is not worth a word. */
const LEAST_MS = 0.5;

/** Parts of the time of a request, in the order in which they come; what upstreams took is told apart, the rest is the gateway's own. */
function partsOf({ queue_ms, connect_ms, first_byte_ms, upstream_ms, client_ms }, total) {
  const parts = [
    ["queue", t("queue"), queue_ms],
    ["connect", t("connect"), connect_ms],
    ["first-byte", t("first byte"), first_byte_ms],
    ["content", t("content"), upstream_ms - connect_ms - first_byte_ms],
    ["client", t("client"), client_ms],
    ["own", t("Usher itself"), total - queue_ms - upstream_ms - client_ms],
  ];
  return parts.filter(([, , value]) => value >= LEAST_MS);
}

/** Where the time of a request went, as a bar and in words. */
export function Phases({ phases, total }) {
  const parts = partsOf(phases, total);
  const said = parts.map(([, title, value]) => `${title} ${ms(value)}`).join(" · ");
  const bar = parts.map(([name, , value]) =>
    html`<span key=${name} class=${name} style=${{ width: `${value / Math.max(total, LEAST_MS) * 100}%` }}></span>`
  );
  return html`<span class="phases"><span class="phase-bar" aria-hidden="true">${bar}</span><small>${said}</small></span>`;
}

/** How often something was seen, where that was more than once. */
export function Times({ n }) {
  return n > 1 && html`
    <span class="muted">×${count(n)}</span>
  `;
}
