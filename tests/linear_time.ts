import assert from "node:assert/strict";

/** Runs of each length: a busy machine slows some of them down, not all. */
const RUNS = 150;

/** What takes less is not worth a look; give work that takes a part of it, since a busy machine interrupts what takes longer. */
const SHORT_MS = 5;

/**
 * Fails where work takes time that grows faster than its length. `work` is told how many times longer than the shortest its input is to
 * be. Four times the length may take ten times as long, by the best of many runs; what grows with the square takes sixteen times.
 */
export function assertLinear(work: (times: 1 | 4) => void, what = "it"): void {
  let [onceMs, fourMs] = [Infinity, Infinity];
  for (let run = 0; run < RUNS; run++) {
    onceMs = Math.min(onceMs, durationMs(() => work(1)));
    fourMs = Math.min(fourMs, durationMs(() => work(4)));
    if (run > 1 && fourMs < Math.max(SHORT_MS, 10 * onceMs)) return;
  }
  assert.fail(`${what} took ${onceMs} ms, and ${fourMs} ms for four times as much`);
}

function durationMs(work: () => void): number {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
}
