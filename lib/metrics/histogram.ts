/**
 * Upper bounds of the histograms of requests and tries, in milliseconds. A hit in memory takes a part of a millisecond, an upstream at
 * the end of a slow line many seconds.
 */
export const DURATION_BUCKETS_MS = [
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  25,
  50,
  100,
  250,
  500,
  1000,
  2500,
  5000,
  10_000,
  30_000,
] as const;

/** Upper bounds of the histogram of how late timers fire, in milliseconds. */
export const LAG_BUCKETS_MS = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000] as const;

/** Index of the first bucket that a value is not above; the bucket behind the last bound takes what is above all of them. */
export function bucketOf(boundsMs: readonly number[], valueMs: number): number {
  let bucket = 0;
  while (bucket < boundsMs.length && valueMs > boundsMs[bucket]!) bucket++;
  return bucket;
}

/**
 * An estimate of a quantile, in milliseconds, by a straight line inside its bucket; `null` where nothing was counted. What is above the
 * last bound counts as at it.
 *
 * @param buckets one more than there are bounds, not cumulative
 * @param quantile from 0 to 1
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { quantileMs } from "./histogram.ts";
 * assert.equal(quantileMs([1, 2, 4], [0, 10, 10, 0], 0.75), 3);
 * assert.equal(quantileMs([1, 2, 4], [0, 0, 0, 0], 0.5), null);
 * ```
 */
export function quantileMs(boundsMs: readonly number[], buckets: readonly number[], quantile: number): number | null {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = quantile * total;
  let below = 0;
  for (const [index, boundMs] of boundsMs.entries()) {
    const count = buckets[index] ?? 0;
    if (count > 0 && below + count >= rank) {
      const fromMs = index === 0 ? 0 : boundsMs[index - 1]!;
      return fromMs + (boundMs - fromMs) * Math.max(0, rank - below) / count;
    }
    below += count;
  }
  return boundsMs.at(-1) ?? null;
}
