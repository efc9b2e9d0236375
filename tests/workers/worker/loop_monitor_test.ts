import assert from "node:assert/strict";
import { LAG_BUCKETS_MS } from "../../../lib/metrics/histogram.ts";
import { LoopMonitor } from "../../../lib/workers/worker/loop_monitor.ts";

/** Keeps the event loop busy. */
function blockMs(durationMs: number): void {
  const untilMs = performance.now() + durationMs;
  while (performance.now() < untilMs);
}

/** Lets timers fire that are due. */
function pauseMs(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

Deno.test("LoopMonitor sees a block while it lasts, before any timer could fire", () => {
  const monitor = new LoopMonitor();
  try {
    blockMs(400);
    const worstMs = monitor.takeWorstMs();
    assert.ok(worstMs >= 250 && Number.isInteger(worstMs), `${worstMs} ms`);
  } finally {
    monitor.close();
  }
});

Deno.test("LoopMonitor remembers the worst until it is asked, and begins again then", async () => {
  const monitor = new LoopMonitor();
  try {
    blockMs(600);
    // The late timer fires, and some in time after it.
    await pauseMs(250);
    const worstMs = monitor.takeWorstMs();
    assert.ok(worstMs >= 450, `${worstMs} ms`);
    const nextMs = monitor.takeWorstMs();
    assert.ok(nextMs < worstMs, `${nextMs} ms after ${worstMs} ms`);
    // The histogram forgets nothing.
    const { buckets, sumMs } = monitor.counts;
    const late = buckets.slice(LAG_BUCKETS_MS.indexOf(500));
    assert.ok(late.reduce((sum, count) => sum + count) >= 1 && sumMs >= 450, `${buckets}: ${sumMs} ms`);
  } finally {
    monitor.close();
  }
});

Deno.test("LoopMonitor says nothing bad of an idle loop", () => {
  const monitor = new LoopMonitor();
  assert.equal(monitor.takeWorstMs(), 0);
  monitor.close();
});
