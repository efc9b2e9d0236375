import type { CheckResponse, CheckTransport } from "../../lib/health/check.ts";
import { decodeHealthTable, encodeHealthTable } from "../../lib/health/health_table.ts";
import { HealthMonitor } from "../../lib/health/health_monitor.ts";
import { Pool } from "../../lib/pool/pool.ts";
import type { Report } from "../../lib/pool/outcome.ts";
import type { Upstream } from "../../lib/pool/upstream.ts";
import { checkSpec } from "../health/check_specs.ts";
import { FakeTime } from "../health/fake_time.ts";
import { seededRandom } from "../seeded_random.ts";

/** How a made-up origin answers a request that reaches it `atMs` after the start. */
export type Origin = (atMs: number) => Report;

/** A run of the real pool and the real health monitor, on made-up time, against made-up origins. */
export interface Scenario {
  /** By upstream id. */
  readonly origins: Readonly<Record<string, Origin>>;
  readonly lengthMs: number;
  readonly requestsPerSecond: number;
  readonly strategy: string;
  /** Whether upstreams are checked, every 5 s (1 s while out). */
  readonly checks: boolean;
}

/** What came of it. */
export interface Recording {
  /** For each second, how many first tries each upstream got. */
  readonly picks: ReadonlyArray<Readonly<Record<string, number>>>;
  /** Requests that failed at every upstream, up to three tries. */
  readonly failed: number;
  readonly requests: number;
  readonly transitions: readonly string[];
}

/** How long a report takes to the health worker, and a table back. */
const REPORT_EVERY_MS = 100;
const TABLE_DELAY_MS = 4;

/** Runs a scenario. The same seed gives the same recording. */
export async function record(scenario: Scenario, seed = 1): Promise<Recording> {
  const run = new Run(scenario, seed);
  return await run.play();
}

class Run {
  readonly #scenario: Scenario;
  readonly #time = new FakeTime();
  readonly #random: () => number;
  readonly #startMs = this.#time.now();
  readonly #pool: Pool;
  readonly #monitor: HealthMonitor;
  readonly #picks: Record<string, number>[] = [];
  readonly #transitions: string[] = [];
  #failed = 0;
  #requests = 0;

  constructor(scenario: Scenario, seed: number) {
    this.#scenario = scenario;
    this.#random = seededRandom(seed);
    const ids = Object.keys(scenario.origins);
    const upstreams = ids.map((id) => ({ id, url: `http://${id}.test`, weight: 1 }));
    this.#pool = new Pool({ name: "p", strategy: scenario.strategy, upstreams, random: this.#random });
    this.#monitor = new HealthMonitor({
      now: this.#time.now,
      schedule: this.#time.schedule,
      random: this.#random,
      onTransition: ({ id, from, to, atMs }) =>
        this.#transitions.push(`${((atMs - this.#startMs) / 1000).toFixed(1)} s: ${id} ${from} → ${to}`),
      publish: (tables) => {
        const sent = tables.map(encodeHealthTable);
        this.#time.schedule(() => sent.forEach((bytes) => this.#pool.apply(decodeHealthTable(bytes)!)), TABLE_DELAY_MS);
        return Promise.resolve();
      },
    });
    this.#monitor.reconfigure([{ name: "p", upstreams: ids.map((id) => this.#monitored(id)) }]);
  }

  async play(): Promise<Recording> {
    this.#time.schedule(() => this.#report(), REPORT_EVERY_MS);
    this.#time.schedule(() => this.#arrive(), 300);
    for (let second = 0; second < this.#scenario.lengthMs / 1_000; second++) {
      this.#picks.push(Object.fromEntries(Object.keys(this.#scenario.origins).map((id) => [id, 0])));
      await this.#time.advance(1_000);
    }
    this.#monitor.close();
    return {
      picks: this.#picks,
      failed: this.#failed,
      requests: this.#requests,
      transitions: this.#transitions,
    };
  }

  #monitored(id: string) {
    const check = this.#scenario.checks ? checkSpec({ intervalMs: 5_000, unhealthyIntervalMs: 1_000 }) : null;
    return { id, weight: 1, check, transport: this.#transport(this.#scenario.origins[id]!) };
  }

  /** Checks see what requests see. */
  #transport(origin: Origin): CheckTransport {
    return {
      send: () => {
        const { outcome, latencyMs } = origin(this.#atMs());
        const { promise, resolve, reject } = Promise.withResolvers<CheckResponse>();
        const body = { read: () => Promise.resolve(null), cancel: () => {} };
        this.#time.schedule(() => {
          if (outcome === "unreachable") reject(new Error("connection refused"));
          else resolve({ status: outcome === "limited" ? 429 : 200, fields: [], body });
        }, latencyMs);
        return promise;
      },
    };
  }

  #atMs(): number {
    return this.#time.now() - this.#startMs;
  }

  #report(): void {
    this.#monitor.report([{ pool: "p", batches: this.#pool.drainReports() }]);
    this.#time.schedule(() => this.#report(), REPORT_EVERY_MS);
  }

  /** One request now, the next after a random pause (a Poisson process). */
  #arrive(): void {
    this.#requests++;
    const first = this.#try(new Set(), 1);
    if (first !== null) this.#picks[Math.floor(this.#atMs() / 1_000)]![first.id]!++;
    const pauseMs = -Math.log(1 - this.#random()) * 1_000 / this.#scenario.requestsPerSecond;
    this.#time.schedule(() => this.#arrive(), pauseMs);
  }

  #try(tried: Set<Upstream>, attempt: number): Upstream | null {
    const upstream = this.#pool.select(tried, 0, this.#time.now());
    if (upstream === null) {
      this.#failed++;
      return null;
    }
    const report = this.#scenario.origins[upstream.id]!(this.#atMs());
    upstream.begin(this.#time.now());
    const waiting = upstream.expectAnswer(this.#time.now());
    this.#time.schedule(() => {
      waiting.settle(this.#time.now());
      this.#end(upstream, report, tried.add(upstream), attempt);
    }, report.latencyMs);
    return upstream;
  }

  #end(upstream: Upstream, report: Report, tried: Set<Upstream>, attempt: number): void {
    upstream.end(report, this.#time.now());
    if (report.outcome === "ok") return;
    if (attempt < 3) this.#try(tried, attempt + 1);
    else this.#failed++;
  }
}

/** An origin that answers in about this time. */
export function steady(latencyMs: number, random: () => number = seededRandom(latencyMs)): Origin {
  return () => ({ outcome: "ok", latencyMs: latencyMs * (0.8 + 0.4 * random()), retryAfterMs: 0 });
}

/** The same, but what reaches it in this time is answered only after it. */
export function stalled(origin: Origin, fromMs: number, untilMs: number): Origin {
  return (atMs) => {
    const report = origin(atMs);
    if (atMs < fromMs || atMs >= untilMs) return report;
    return { ...report, latencyMs: untilMs - atMs + report.latencyMs };
  };
}

/** The same, but dead in this time. */
export function killed(origin: Origin, fromMs: number, untilMs: number): Origin {
  return (atMs) =>
    atMs < fromMs || atMs >= untilMs ? origin(atMs) : { outcome: "unreachable", latencyMs: 1, retryAfterMs: 0 };
}

/** The same, but it answers a fast 429 with `Retry-After` in this time. */
export function limited(origin: Origin, fromMs: number, untilMs: number, retryAfterMs = 10_000): Origin {
  return (atMs) => atMs < fromMs || atMs >= untilMs ? origin(atMs) : { outcome: "limited", latencyMs: 2, retryAfterMs };
}

/** The share of first tries that `id` got from one second to another. */
export function share(recording: Recording, id: string, fromSecond: number, untilSecond: number): number {
  let own = 0;
  let all = 0;
  for (const picks of recording.picks.slice(fromSecond, untilSecond)) {
    own += picks[id]!;
    all += Object.values(picks).reduce((sum, count) => sum + count, 0);
  }
  return own / all;
}
