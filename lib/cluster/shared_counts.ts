import { DURATION_BUCKETS_MS } from "../metrics/histogram.ts";

/** What one worker counts of the entries that gateways share. */
export interface SharedCounts {
  /** Look-ups that found an entry, verified. */
  hits: number;
  /** Look-ups that found none. */
  misses: number;
  /** Look-ups without an answer in time. */
  late: number;
  /** Look-ups that failed otherwise. */
  errors: number;
  /** Look-ups that were not made, since the engine is not asked just now. */
  skipped: number;
  /** Entries that were not as a gateway of this cluster wrote them. */
  corrupt: number;
  /** Entries of another version of Usher. */
  foreign: number;
  /** Entries put. */
  puts: number;
  /** Puts that left a newer entry in its place. */
  older: number;
  /** Puts that were not made: too many waited, the engine was late, failed or full. */
  dropped: number;
  /** Fetches for all gateways. */
  led: number;
  /** Waits for another gateway's fetch that ended with its response. */
  followed: number;
  /** Fetches begun here after a wait for another gateway's. */
  takenOver: number;
  /** How long look-ups took, by {@linkcode DURATION_BUCKETS_MS}; not cumulative. */
  readonly lookUps: number[];
  lookUpSumMs: number;
}

/** Nothing counted yet. */
export function newSharedCounts(): SharedCounts {
  return {
    ...{ hits: 0, misses: 0, late: 0, errors: 0, skipped: 0, corrupt: 0, foreign: 0 },
    ...{ puts: 0, older: 0, dropped: 0, led: 0, followed: 0, takenOver: 0, lookUpSumMs: 0 },
    lookUps: Array.from({ length: DURATION_BUCKETS_MS.length + 1 }, () => 0),
  };
}

/** The sum of both. */
export function addShared(a: SharedCounts, b: SharedCounts): SharedCounts {
  const sum = newSharedCounts();
  for (const [name, value] of Object.entries(sum)) {
    const key = name as keyof SharedCounts;
    if (key === "lookUps" || typeof value !== "number") continue;
    sum[key] = a[key] + b[key];
  }
  for (const index of sum.lookUps.keys()) sum.lookUps[index] = a.lookUps[index]! + b.lookUps[index]!;
  return sum;
}
