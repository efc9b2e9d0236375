import assert from "node:assert/strict";
import { changeTimeMs, pause, schedule, systemClock, within } from "../lib/clock.ts";

Deno.test("systemClock gives whole milliseconds since the Unix epoch, as they are when it is asked", () => {
  const before = Date.now();
  const now = systemClock.now();
  assert.ok(before <= now && now <= Date.now());
  assert.ok(Number.isInteger(now));
});

Deno.test("changeTimeMs() is later than all that a clock has told, also where it was set back", () => {
  const now = systemClock.now();
  assert.ok(changeTimeMs(systemClock) >= now);
  assert.equal(changeTimeMs({ now: () => 5 }), 5);
  assert.equal(changeTimeMs({ now: () => 5, latest: () => 5 }), 5);
  // It may have gone on after it was read for the last time.
  assert.equal(changeTimeMs({ now: () => 5, latest: () => 70_000 }), 71_000);
});

Deno.test("pause() ends with its time, or with its signal, and leaves no timer behind", async () => {
  const stop = new AbortController();
  await pause(1, stop.signal);
  const long = pause(3_600_000, stop.signal);
  stop.abort();
  await long;
  await pause(3_600_000, stop.signal);
  await pause(0);
  await pause(1);
});

Deno.test("within() gives a promise's result in time, else the other value, and leaves no timer behind", async () => {
  assert.equal(await within(Promise.resolve(1), 3_600_000, "late"), 1);
  assert.equal(await within(Promise.withResolvers<number>().promise, 1, "late"), "late");
  await assert.rejects(within(Promise.reject(new Error("broken")), 3_600_000, null), { message: "broken" });
});

Deno.test("schedule() calls once, in the order of the delays", async () => {
  const called: string[] = [];
  await new Promise<void>((resolve) => {
    schedule(() => (called.push("last"), resolve()), 30);
    schedule(() => called.push("first"), 0);
    schedule(() => called.push("second"), 5);
  });
  assert.deepEqual(called, ["first", "second", "last"]);
});

Deno.test("schedule() does not call what was taken back, and taking back late or twice does nothing", async () => {
  let calls = 0;
  const takeBack = schedule(() => calls++, 0);
  takeBack();
  takeBack();
  const takeBackLate = await new Promise<() => void>((resolve) => {
    const late = schedule(() => resolve(late), 10);
  });
  takeBackLate();
  assert.equal(calls, 0);
});
