import { html } from "htm/preact/standalone";
import { ask } from "./gateway.js";
import { Action, Meter, Pill, Section } from "./parts.js";
import { ago, bytes, count, ms, percent, rate, span } from "./shown.js";
import { sum } from "./model.js";
import { language, LANGUAGES, t } from "./words.js";

const STATES = { ready: "good", degraded: "warn", stopping: "bad" };

function stateWord(state) {
  return { ready: t("Ready"), degraded: t("Degraded"), stopping: t("Stopping"), lost: t("No connection") }[state];
}

/** The strip at the top: how the gateway is, what it runs by, and what concerns the page itself. */
export function Strip({ status, isLive, prefer, canLeave, leave, tell, may }) {
  const state = isLive ? status.state : "lost";
  const up = status.workers.filter((worker) => worker.state === "up").length;
  const { file, generation, last_reload } = status.config;
  const facts = [
    [t("version"), status.version],
    [t("up for"), span(status.uptime_seconds)],
    [t("workers"), `${up}/${status.workers.length}`],
    [
      t("configuration"),
      html`<span class="file" title=${file}>${file}</span> · ${t("generation {n}", { n: generation })}`,
    ],
    ...(last_reload === null ? [] : [[t("last reload"), reloadWords(last_reload)]]),
  ];
  return html`
    <header class="strip">
      <div class="brand"><img src="/page/icon.svg" alt="" width="28" height="28" /><h1>Usher</h1>
          <span role="status"><${Pill} tone=${STATES[state] ?? "bad"}>${stateWord(state)}<//></span>
        </div>
        <dl class="facts">${facts.map(([name, value]) =>
          html`
            <div key=${name}>
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>
          `
        )}</dl>
        <div class="tools">
          ${may && html`<${Action} run=${() => reload(tell)}>${t("Reload")}<//>`}
          <${Preferences} prefer=${prefer} />
          ${canLeave && html`<button type="button" class="plain" onClick=${leave}>${t("Sign out")}</button>`}
        </div>
      </header>
  `;
}

function reloadWords({ at, problems }) {
  return problems.length === 0 ? ago(at) : html`<span class="bad-text">${t("failed {ago}", { ago: ago(at) })}</span>`;
}

/** Language and colours. */
export function Preferences({ prefer }) {
  const other = Object.keys(LANGUAGES).find((one) => one !== language());
  return html`
    <button type="button" class="plain" lang=${other} onClick=${() =>
      prefer.language(other)}>${LANGUAGES[other]}</button>
    <button type="button" class="plain" aria-label=${t("Light or dark")} title=${t("Light or dark")} onClick=${prefer
      .theme}>◐</button>
  `;
}

async function reload(tell) {
  const { ok, status, value, detail } = await ask("POST", "/reload");
  if (!ok) return tell("bad", status === 422 ? t("Not reloaded: everything stays as it was") : detail);
  const later = value.needs_restart.map((key) => t("{key} takes effect at the next start", { key }));
  tell("good", [t("Reloaded: generation {n}", { n: value.generation }), ...value.changes, ...later].join("\n"));
}

/** What needs a look: why it is degraded, and why the last reload failed. */
export function Alerts({ status }) {
  const failed = status.config.last_reload;
  const problems = failed?.problems ?? [];
  // What is shown in full below need not be said twice.
  const reasons = status.reasons.filter((reason) => problems.length === 0 || !reason.includes(problems[0]));
  return html`<div class="alerts" role="status">
    ${
    reasons.length > 0 && html`<div class="alert warn"><b>${t("Degraded")}</b>
      <ul>${reasons.map((reason) => html`<li key=${reason}>${reason}</li>`)}</ul></div>`
  }
    ${
    problems.length > 0 && html`<div class="alert bad" id="reload-problems">
      <b>${t("The configuration was not reloaded")}</b> <span class="muted">${ago(failed.at)}</span>
      <ul class="lines">${problems.map((line) => html`<li key=${line}><code>${line}</code></li>`)}</ul></div>`
  }
  </div>`;
}

/** The figures that say at a glance how it goes. */
export function Tiles({ model }) {
  const { status, samples } = model;
  const { listeners, cache } = status;
  const requests = sum(listeners.map((listener) => listener.requests));
  const saved = sum(listeners.map((listener) => {
    const by = listener.cache;
    return by.hit_memory + by.hit_disk + by.hit_shared + by.stale + by.collapsed;
  }));
  const errors = sum(listeners.map((listener) => listener.by_status?.["5xx"]));
  const lately = sum(samples.map((sample) => sample.errors));
  const time = samples.slice(-12).findLast(({ p50_ms }) => p50_ms !== null);
  return html`
    <section class="tiles" aria-label=${t("At a glance")}>
      <${Tile} title=${t("Requests a second")} value=${rate(status.requests_per_second)}
        note=${t("{n} since the start", { n: count(requests) })} />
      <${Tile} title=${t("From the cache")} value=${percent(cache.hit_rate_1m ?? cache.hit_rate)}
        note=${t("last minute · hour {part}", { part: percent(cache.hit_rate_1h ?? cache.hit_rate) })} />
      <${Tile} title=${t("Upstream requests saved")} value=${count(saved)}
        note=${t("of {n}", { n: count(requests) })} />
      <${Tile} title=${t("Errors 5xx")} value=${count(errors)} tone=${lately > 0 ? "bad" : ""}
        note=${t("{n} in the last 15 minutes", { n: count(lately) })} />
      <${Tile} title=${t("Response time")} value=${ms(time?.p50_ms)} note=${t("99 of 100 below {time}", {
        time: ms(time?.p99_ms),
      })} />
      <div class="card tile">
        <h2>${t("Memory and disk")}</h2>
        <${Tier} name=${t("memory")} tier=${cache.memory} />
        <${Tier} name=${t("disk")} tier=${cache.disk} />
      </div>
    </section>
  `;
}

function Tile({ title, value, note, tone = "" }) {
  return html`
    <div class="card tile">
      <h2>${title}</h2>
      <p class=${`value ${tone}`}>${value}</p>
      <p class="muted">${note}</p>
    </div>
  `;
}

function Tier({ name, tier }) {
  if (tier === null || tier === undefined) return html`<p class="tier muted">${name}: ${t("not used")}</p>`;
  const limit = tier.limit_bytes ?? tier.limitBytes;
  const label = t("{name}: {held} of {limit}", { name, held: bytes(tier.bytes), limit: bytes(limit) });
  return html`
    <div class="tier">
      <p><span>${name}</span><span class="muted">${bytes(tier.bytes)} / ${bytes(limit)}</span></p>
      <${Meter} value=${tier.bytes / limit} label=${label} />
    </div>
  `;
}

/** Workers, where one is not as it should be or who looks wants to know. */
export function Workers({ status }) {
  return html`
    <${Section} id="workers" title=${t("Workers")}>
      <ul class="workers">${status.workers.map((worker) =>
        html`<li class="card" key=${worker.name}>
      <b>${worker.name}</b><${Pill} tone=${worker.state === "up" ? "good" : "bad"}>${
          worker.state === "up" ? t("up") : t("restarting")
        }<//>
      <span class="muted">${t("connections {n}", { n: count(worker.connections) })} · ${bytes(worker.heap_bytes)} · ${
          t("restarts {n}", { n: count(worker.restarts) })
        }</span>
    </li>`
      )}</ul>
      <//>
  `;
}
