import assert from "node:assert/strict";
import { RESTART_DEFAULTS, RestartPolicy } from "../../../lib/workers/supervisor/slot.ts";

const OPTIONS = { firstPauseMs: 10, maxPauseMs: 75, stableAfterMs: 1_000, loopDeaths: 3 };

/** What a policy answers to deaths after these lives. */
function pausesMs(policy: RestartPolicy, livesMs: readonly number[]): number[] {
  return livesMs.map((livedMs) => policy.died(livedMs));
}

Deno.test("died() doubles the pause with each death in a row, up to the longest", () => {
  const table: [livesMs: number[], pausesMs: number[]][] = [
    [[0], [10]],
    [[0, 0, 0], [10, 20, 40]],
    [[0, 0, 0, 0, 0], [10, 20, 40, 75, 75]],
    [[999, 999], [10, 20]],
  ];
  for (const [livesMs, expected] of table) assert.deepEqual(pausesMs(new RestartPolicy(OPTIONS), livesMs), expected);
});

Deno.test("died() begins at the first pause again after a life that was long enough", () => {
  assert.deepEqual(pausesMs(new RestartPolicy(OPTIONS), [0, 0, 1_000, 0]), [10, 20, 10, 20]);
});

Deno.test("died() keeps to the longest pause after very many deaths", () => {
  const pauses = pausesMs(new RestartPolicy(OPTIONS), Array.from({ length: 2_000 }, () => 0));
  assert.ok(pauses.slice(3).every((pauseMs) => pauseMs === 75));
});

Deno.test("isLoop tells deaths in a row, not deaths", () => {
  const policy = new RestartPolicy(OPTIONS);
  const loops = [0, 0, 0, 1_000, 0, 0].map((livedMs) => (policy.died(livedMs), policy.isLoop));
  assert.deepEqual(loops, [false, false, true, false, false, true]);
  assert.equal(policy.total, 6);
});

Deno.test("RESTART_DEFAULTS bring a worker back at once after one accident", () => {
  const policy = new RestartPolicy();
  assert.ok(policy.died(RESTART_DEFAULTS.stableAfterMs) <= 100);
  assert.equal(policy.isLoop, false);
});
