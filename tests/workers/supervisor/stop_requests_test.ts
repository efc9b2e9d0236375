import assert from "node:assert/strict";
import { StopRequests } from "../../../lib/workers/supervisor/stop_requests.ts";

/** Requests to stop by a clock that the test moves, and how often the process was ended. */
function requests() {
  const state = { nowMs: 1_000, exits: 0 };
  const stop = new StopRequests({ exit: () => state.exits++, now: () => state.nowMs });
  return { state, stop };
}

Deno.test("StopRequests takes signals that come together for one, and ends the process at a second one", async () => {
  const { state, stop } = requests();
  stop.signal();
  state.nowMs += 500;
  stop.signal();
  await stop.asked;
  assert.equal(state.exits, 0);
  state.nowMs += 501;
  stop.signal();
  assert.equal(state.exits, 1);
});

Deno.test("StopRequests ends the delay at a second signal, and the process only at a third", async () => {
  const { state, stop } = requests();
  stop.signal();
  let skipped = false;
  const delayed = stop.delay((signal) =>
    new Promise((resolve) => signal.addEventListener("abort", () => (skipped = true, resolve())))
  );
  state.nowMs += 600;
  stop.signal();
  await delayed;
  assert.deepEqual([skipped, state.exits], [true, 0]);
  state.nowMs += 100;
  stop.signal();
  assert.equal(state.exits, 0, "it belongs to the second");
  state.nowMs += 501;
  stop.signal();
  assert.equal(state.exits, 1);
});

Deno.test("StopRequests takes a request by the admin address as often as it comes", async () => {
  const { state, stop } = requests();
  stop.ask();
  stop.ask();
  await stop.asked;
  stop.signal();
  assert.equal(state.exits, 0, "the first signal");
});
