import { html } from "htm/preact/standalone";
import { ask } from "./gateway.js";
import { listOf } from "./recent.js";
import { Action, Pill, Section } from "./parts.js";
import { ago, bytes, clock, count, rate, span } from "./shown.js";
import { t } from "./words.js";

/** Prewarms and change feeds: what the gateway does by itself, or was told to. */
export function Jobs({ jobs, feeds, tell, may }) {
  const prewarms = listOf(jobs, "prewarms") ?? [];
  if (prewarms.length + feeds.length === 0) return null;
  return html`
    <${Section} id="jobs" title=${t("Jobs")}>
      <ul class="jobs">
          ${prewarms.map((job) => html`<${Prewarm} key=${job.listener} job=${job} tell=${tell} may=${may} />`)}
          ${feeds.map((feed) => html`<${Feed} key=${`feed ${feed.pool}`} feed=${feed} tell=${tell} may=${may} />`)}
        </ul>
      <//>
  `;
}

function Prewarm({ job, tell, may }) {
  const { listener, state, total, done, fetched, fresh, skipped, failed } = job;
  const isOn = state === "running" || state === "paused";
  const tones = { running: "good", done: "calm", paused: "warn", stopped: "warn" };
  const words = { running: t("running"), done: t("done"), paused: t("paused"), stopped: t("stopped") };
  const stop = async () => {
    const { ok, detail } = await ask("DELETE", `/jobs/prewarm/${encodeURIComponent(listener)}`);
    tell(ok ? "good" : "bad", ok ? t("Stopped") : detail);
  };
  const facts = [
    t("{n} fetched", { n: count(fetched) }),
    fresh > 0 && t("{n} fresh already", { n: count(fresh) }),
    skipped > 0 && t("{n} skipped", { n: count(skipped) }),
    failed > 0 && t("{n} failed", { n: count(failed) }),
    bytes(job.bytes),
    isOn && job.rate > 0 && t("{n} a second", { n: rate(job.rate) }),
    isOn && job.eta_seconds !== null && job.eta_seconds !== undefined &&
    t("{span} to go", { span: span(job.eta_seconds) }),
    job.finished_at && ago(job.finished_at),
  ];
  const said = t("{n} of {m} paths", { n: count(done), m: count(total) });
  return html`
    <li class="card job">
      <div class="job-head"><b>${t("Prewarm {name}", { name: listener })}</b><${Pill} tone=${tones[state] ??
        "calm"}>${words[state] ?? state}<//>
          ${may && isOn &&
            html`<${Action} kind="small" run=${stop} label=${`${t("Stop")}: ${listener}`}>${t("Stop")}<//>`}</div>
        <progress max=${Math.max(1, total)} value=${done} aria-label=${said}></progress>
        <p class="muted">${[said, ...facts].filter(Boolean).join(" · ")}</p>
        ${job.last_problem && html`<p class="bad-text">${job.last_problem}</p>`}
      </li>
  `;
}

function Feed({ feed, tell, may }) {
  const { pool, last_success, last_problem, next_run, total } = feed;
  const look = async () => {
    const { ok, detail } = await ask("POST", `/change-feeds/${encodeURIComponent(pool)}`);
    tell(ok ? "good" : "bad", ok ? t("A look-up has begun") : detail);
  };
  const facts = [
    last_success && t("last {ago}", { ago: ago(last_success) }),
    next_run && t("next at {time}", { time: clock(next_run) }),
    t("{n} changes, {m} of them purged", { n: count(total?.changed ?? 0), m: count(total?.purged ?? 0) }),
  ];
  return html`
    <li class="card job">
      <div class="job-head"><b>${t("Changes at {name}", { name: pool })}</b>
          ${may &&
            html`<${Action} kind="small" run=${look} label=${`${t("Look now")}: ${pool}`}>${t("Look now")}<//>`}</div>
        <p class="muted">${facts.filter(Boolean).join(" · ")}</p>
        ${last_problem && html`<p class="bad-text">${last_problem}</p>`}
      </li>
  `;
}
