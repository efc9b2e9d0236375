import assert from "node:assert/strict";
import { countRequest, newListenerCounts, newWorkerCounts } from "../../../lib/metrics/gateway_metrics.ts";
import { HitHistory } from "../../../lib/workers/figures/hit_history.ts";

const request = { status: 200, bytes: 1, durationMs: 1, fwd: null };

Deno.test("HitHistory.rates() tells the last minute, the last hour and all time apart", () => {
  const history = new HitHistory();
  const counts = newWorkerCounts();
  const films = counts.listeners["films"] = newListenerCounts();
  assert.deepEqual(history.rates("films"), { perSecond: null, lastMinute: null, lastHour: null, sinceStart: null });
  let nowMs = 1_000_000;
  const pass = (seconds: number, cache: "hit_memory" | "miss" | "bypass" | null) => {
    for (let second = 0; second < seconds; second++) {
      if (cache !== null) countRequest(films, { ...request, cache });
      history.record(counts, nowMs += 1_000);
    }
  };
  pass(30, "miss");
  pass(30, "hit_memory");
  assert.deepEqual(history.rates("films"), { perSecond: 1, lastMinute: 0.5, lastHour: 0.5, sinceStart: 0.5 });
  pass(60, "hit_memory");
  assert.deepEqual(history.rates("films"), { perSecond: 1, lastMinute: 1, lastHour: 0.75, sinceStart: 0.75 });
  pass(3 * 3600, "bypass");
  assert.deepEqual(history.rates("films"), { perSecond: 1, lastMinute: null, lastHour: null, sinceStart: 0.75 });
  pass(61, "miss");
  const { lastMinute, lastHour, sinceStart } = history.rates("films");
  assert.deepEqual([lastMinute, lastHour], [0, 0]);
  assert.ok(sinceStart! < 0.6);
});

Deno.test("HitHistory.rates() tells those of all listeners together", () => {
  const history = new HitHistory();
  const counts = newWorkerCounts();
  for (const [name, cache, times] of [["films", "hit_disk", 3], ["pictures", "miss", 1]] as const) {
    const listener = counts.listeners[name] = newListenerCounts();
    for (let time = 0; time < times; time++) countRequest(listener, { ...request, cache });
  }
  assert.equal(history.rates(null).sinceStart, null);
  history.record(counts, 1_000_000);
  assert.equal(history.rates(null).sinceStart, 0.75);
});
