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

/** Parts of the time of a request, in the order in which they come. */
export function phasesOf(phases) {
  const names = {
    queue_ms: t("queue"),
    connect_ms: t("connect"),
    first_byte_ms: t("first byte"),
    upstream_ms: t("upstream"),
    client_ms: t("client"),
  };
  return Object.keys(names).filter((name) => phases?.[name] > 0).map((name) => ({
    name,
    title: names[name],
    value: phases[name],
  }));
}

/** Where the time of a request went, as a bar and in words. */
export function Phases({ phases, total }) {
  const parts = phasesOf(phases);
  if (parts.length === 0) return html`<span class="muted">–</span>`;
  const said = parts.map(({ title, value }) => `${title} ${ms(value)}`).join(" · ");
  return html`<span class="phases"><span class="phase-bar" aria-hidden="true">${
    parts.map(({ name, value }) =>
      html`<span key=${name} class=${name} style=${{
        width: `${Math.min(100, value / Math.max(total, 0.001) * 100)}%`,
      }}></span>`
    )
  }</span><small>${said}</small></span>`;
}

/** How often something was seen, where that was more than once. */
export function Times({ n }) {
  return n > 1 && html`
    <span class="muted">×${count(n)}</span>
  `;
}
