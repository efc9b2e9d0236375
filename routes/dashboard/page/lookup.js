import { html, useState } from "htm/preact/standalone";
import { ask } from "./gateway.js";
import { Empty, Form, Note, Pill, Section, Table } from "./parts.js";
import { Explained } from "./explained.js";
import { bytes, count, moment, span } from "./shown.js";
import { urlAt } from "./listeners.js";
import { t } from "./words.js";

/** Asks whether a URL is stored, where, and for how long, and says beside it what would become of a request for it. */
export function Lookup({ listeners }) {
  const [outcome, setOutcome] = useState(null);
  const send = async ({ url }) => setOutcome(await ask("POST", "/cache/lookup", { url }));
  return html`
    <${Section} id="lookup" title=${t("Is it stored?")}>
      <div class="card lookup">
        <${Form} send=${send} submit=${t("Look up")}>
            <label class="field"><span>URL</span>
              <input name="url" required maxlength="8192" autocomplete="off" spellcheck=${false}
                placeholder=${`${urlAt(listeners[0] ?? {})}movie/550`} /></label>
          <//>
          ${outcome && !outcome.ok && html`<${Note} tone="bad">${outcome.detail}<//>`}
          ${outcome?.ok && html`<${Found} found=${outcome.value} />`}
        </div>
      <//>
  `;
}

function Found({ found: { listener, key, stored, explain } }) {
  return html`<div class="found" role="status">
    <p>${
    listener && html`
      <b>${listener}</b>
    `
  }<code>${key}</code></p>
    ${stored.length === 0 ? html`<${Empty}>${t("It is not stored.")}<//>` : html`<${Stored} stored=${stored} />`}
    ${
    explain && html`
      <details>
        <summary>${t("What would become of a request for it")}</summary>
        <${Explained} explanation=${explain} />
      </details>
    `
  }
  </div>`;
}

function Stored({ stored }) {
  const columns = [
    { title: t("Where") },
    { title: t("State") },
    { title: t("Status"), isNumber: true },
    { title: t("Type") },
    { title: t("Size"), isNumber: true },
    { title: t("Age"), isNumber: true },
    { title: t("Lifetime"), isNumber: true },
    { title: t("Hits"), isNumber: true },
    { title: t("Variants and tags"), isWide: true },
  ];
  const rows = stored.map((one, index) => ({
    key: index,
    cells: [
      html`<b>${one.tier === "memory" ? t("memory") : t("disk")}</b>${
        one.worker !== null && one.worker !== undefined && html`<small>${one.worker}</small>`
      }`,
      html`<${Freshness} one=${one} />`,
      String(one.status),
      one.content_type,
      bytes(one.bytes),
      html`<span title=${moment(one.stored_at)}>${span(one.age_seconds)}</span>`,
      span(one.lifetime_seconds),
      count(one.hits),
      html`<small>${variantWords(one.variants)}</small><small>${(one.tags ?? []).join(" ")}</small>`,
    ],
  }));
  return html`<${Table} label=${t("Stored responses")} columns=${columns} rows=${rows} />`;
}

function Freshness({ one }) {
  if (one.purged) return html`<${Pill} tone="calm">${t("purged")}<//>`;
  if (one.fresh) return html`<${Pill} tone="good">${t("fresh")}<//>`;
  const usable = one.stale_usable_seconds > 0;
  return html`<${Pill} tone=${usable ? "warn" : "calm"}>${
    usable ? t("stale, of use for {span}", { span: span(one.stale_usable_seconds) }) : t("stale")
  }<//>`;
}

/** However they are said: a count, a list, or fields with their values. */
function variantWords(variants) {
  if (variants === null || variants === undefined) return "";
  if (typeof variants !== "object") return String(variants);
  return Array.isArray(variants)
    ? variants.map((one) => typeof one === "object" ? JSON.stringify(one) : one).join(" ")
    : Object.entries(variants).map(([name, value]) => `${name}: ${value}`).join(" ");
}
