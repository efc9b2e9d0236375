import { DURATION_BUCKETS_MS } from "../../metrics/histogram.ts";
import {
  CACHE_RESULT_INDEX,
  type CacheResult,
  durationBuckets,
  type WorkerCounts,
} from "../../metrics/gateway_metrics.ts";

/** What happened in one interval, over all listeners: plain data, as the admin surface shows it. */
export interface HistorySample {
  /** When the interval ended. */
  readonly at: string;
  /** Requests by how the cache took part; those that it had no part in at all are in `requests` alone. */
  readonly by: Readonly<Record<keyof typeof RESULTS, number>>;
  readonly requests: number;
  /** Responses of class 5xx. */
  readonly errors: number;
  /** Tries at upstreams. */
  readonly upstream_requests: number;
  /** Content sent to clients. */
  readonly bytes: number;
  /** The time that half of the requests stayed below, and 99 of 100, from a histogram; `null` where there were none. */
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
}

/** Time between samples. */
export const HISTORY_INTERVAL_MS = 5_000;
/** Samples that are kept: of 15 minutes. */
const KEPT = 180;

/** Names of the admin surface for the results of the cache. */
const RESULTS = {
  memory: "hit_memory",
  disk: "hit_disk",
  shared: "hit_shared",
  stale: "stale",
  revalidated: "revalidated",
  collapsed: "collapsed",
  miss: "miss",
  bypass: "bypass",
} as const satisfies Record<string, CacheResult>;

/** Sums of what was counted until a moment. */
interface Totals {
  readonly byCache: readonly number[];
  readonly durations: readonly number[];
  readonly requests: number;
  readonly errors: number;
  readonly upstreamRequests: number;
  readonly bytes: number;
}

/** Remembers 15 minutes of what was counted, so that who looks for the first time sees how it came to be. */
export class RequestHistory {
  readonly #samples: { readonly atMs: number; readonly sample: HistorySample }[] = [];
  #last: Totals | null = null;
  #lastMs = 0;

  /** Takes what has been counted until now; about once a second. */
  record(counts: WorkerCounts, nowMs: number): void {
    // Timers are late by a little; that must not make an interval of six seconds.
    if (this.#last !== null && nowMs - this.#lastMs < HISTORY_INTERVAL_MS * 0.95) return;
    const totals = totalsOf(counts);
    if (this.#last !== null) this.#samples.push({ atMs: nowMs, sample: sampleOf(totals, this.#last, nowMs) });
    if (this.#samples.length > KEPT) this.#samples.shift();
    this.#last = totals;
    this.#lastMs = nowMs;
  }

  /** Samples that ended after a moment, the oldest first. */
  samples(afterMs = 0): HistorySample[] {
    return this.#samples.filter(({ atMs }) => atMs > afterMs).map(({ sample }) => sample);
  }
}

function totalsOf({ listeners, upstreams }: WorkerCounts): Totals {
  const all = Object.values(listeners);
  const tries = Object.values(upstreams).flatMap((pool) => Object.values(pool));
  return {
    byCache: addLists(all.map(({ byCache }) => byCache)),
    durations: addLists(all.map(durationBuckets)),
    requests: sum(all.map(({ requests }) => requests)),
    errors: sum(all.map(({ byClass }) => byClass[5] ?? 0)),
    upstreamRequests: sum(tries.flatMap(({ outcomes }) => Object.values(outcomes))),
    bytes: sum(all.map(({ responseBytes }) => responseBytes)),
  };
}

function sampleOf(now: Totals, before: Totals, nowMs: number): HistorySample {
  const durations = now.durations.map((count, index) => since(count, before.durations[index]));
  const by = Object.entries(RESULTS).map(([name, result]) => {
    const index = CACHE_RESULT_INDEX[result];
    return [name, since(now.byCache[index], before.byCache[index])] as const;
  });
  return {
    at: new Date(nowMs).toISOString(),
    by: Object.fromEntries(by) as HistorySample["by"],
    requests: since(now.requests, before.requests),
    errors: since(now.errors, before.errors),
    upstream_requests: since(now.upstreamRequests, before.upstreamRequests),
    bytes: since(now.bytes, before.bytes),
    p50_ms: quantile(durations, DURATION_BUCKETS_MS, 0.5),
    p99_ms: quantile(durations, DURATION_BUCKETS_MS, 0.99),
  };
}

/** A worker that died takes with it what it had counted since its last report. */
function since(now = 0, before = 0): number {
  return Math.max(0, now - before);
}

/**
 * The value that a part of all measurements stayed below, by a histogram whose counts are not cumulative and have one bucket more than
 * bounds; within a bucket it is interpolated. `null` where nothing was measured.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { quantile } from "./request_history.ts";
 * assert.equal(quantile([10, 10, 0], [1, 2], 0.5), 1);
 * assert.equal(quantile([0, 10, 0], [1, 2], 0.5), 1.5);
 * assert.equal(quantile([0, 0, 3], [1, 2], 0.99), 2);
 * assert.equal(quantile([0, 0, 0], [1, 2], 0.5), null);
 * ```
 */
export function quantile(counts: readonly number[], bounds: readonly number[], part: number): number | null {
  const all = sum(counts);
  if (all === 0) return null;
  let below = 0;
  for (const [index, bound] of bounds.entries()) {
    const here = counts[index] ?? 0;
    if (here > 0 && below + here >= part * all) {
      const floor = index === 0 ? 0 : bounds[index - 1]!;
      return Math.round((floor + (bound - floor) * (part * all - below) / here) * 100) / 100;
    }
    below += here;
  }
  // Longer than the last bound: how much longer is not known.
  return bounds.at(-1) ?? null;
}

function addLists(lists: readonly (readonly number[])[]): number[] {
  const total: number[] = [];
  for (const list of lists) list.forEach((value, index) => total[index] = (total[index] ?? 0) + value);
  return total;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
