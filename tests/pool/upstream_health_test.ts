import assert from "node:assert/strict";
import { admits, slowStartFactor } from "../../lib/pool/upstream_health.ts";

Deno.test("admits() lets through all but unhealthy and ejected", () => {
  assert.deepEqual(["unknown", "healthy", "half_open"].map((state) => admits(state as "unknown")), [true, true, true]);
  assert.equal(admits("unhealthy"), false);
  assert.equal(admits("ejected"), false);
});

Deno.test("slowStartFactor() climbs from the floor to 1 and stays there", () => {
  const options = { windowMs: 10_000, floor: 0.2 };
  const at = (nowMs: number) => slowStartFactor(nowMs, 1_000, options);
  assert.equal(at(1_000), 0.2);
  assert.equal(Math.round(at(6_000) * 1e6), 600_000);
  assert.equal(at(11_000), 1);
  assert.equal(at(99_000), 1);
  for (let nowMs = 1_000; nowMs < 12_000; nowMs += 100) assert.ok(at(nowMs + 100) >= at(nowMs));
});

Deno.test("slowStartFactor() is 1 without a ramp, without a window, and never below the floor", () => {
  assert.equal(slowStartFactor(5, 0, { windowMs: 10, floor: 0.1 }), 1);
  assert.equal(slowStartFactor(5, 5, { windowMs: 0, floor: 0.1 }), 1);
  assert.equal(slowStartFactor(5, 8, { windowMs: 10, floor: 0.1 }), 0.1);
  assert.equal(slowStartFactor(5, 5_000, { windowMs: 10, floor: 0.1 }), 1, "the clock was set back");
});
