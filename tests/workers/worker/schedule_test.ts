import assert from "node:assert/strict";
import { schedule } from "../../../lib/workers/worker/schedule.ts";

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
