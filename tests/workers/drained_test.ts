import assert from "node:assert/strict";
import { addDrained, drainedBy, settled } from "../../lib/workers/drained.ts";
import { newListenerCounts, newWorkerCounts } from "../../lib/metrics/gateway_metrics.ts";

/** Counters of a worker with a listener that has so many requests of each kind. */
function counts(answered: number, broken: number, inFlight: number) {
  const listener = newListenerCounts();
  listener.requests = answered + broken;
  listener.byClass[0] = broken;
  listener.byClass[2] = answered;
  listener.inFlight = inFlight;
  return { ...newWorkerCounts(), listeners: { one: listener } };
}

Deno.test("drainedBy() tells what finished while a worker stopped, what was cut off, and how much there was in all", async () => {
  const going = counts(10, 2, 4);
  const { one } = going.listeners;
  const drained = await drainedBy(() => {
    // Two end well, one is broken off by its client, one is still there at the end of the grace time.
    one.requests += 3;
    one.byClass[2]! += 2;
    one.byClass[0]! += 1;
    one.inFlight = 1;
    return Promise.resolve();
  }, going);
  assert.deepEqual(drained, { finished: 2, cut: 2, sinceStart: 15 });
});

Deno.test("addDrained() adds workers up, with what those had counted that were replaced", () => {
  const all = [{ finished: 2, cut: 0, sinceStart: 10 }, { finished: 1, cut: 3, sinceStart: 5 }];
  assert.deepEqual(addDrained(all, [counts(6, 1, 0), counts(0, 0, 0)]), { finished: 3, cut: 3, sinceStart: 22 });
  assert.deepEqual(addDrained([], []), { finished: 0, cut: 0, sinceStart: 0 });
});

Deno.test("settled() leaves nothing in flight, and the counters of the worker as they are", () => {
  const before = counts(3, 1, 2);
  assert.equal(settled(before).listeners["one"]!.inFlight, 0);
  assert.equal(settled(before).listeners["one"]!.requests, 4);
  assert.equal(before.listeners.one.inFlight, 2);
});
