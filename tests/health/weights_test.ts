import assert from "node:assert/strict";
import {
  combinedWeight,
  ewmaStep,
  MAX_STEP,
  OUTLIER_FACTOR,
  UpstreamWeight,
  WEIGHT_DEFAULTS,
} from "../../lib/health/weights.ts";
import { seededRandom } from "../seeded_random.ts";
import { batchOf } from "./outcome_batches.ts";

const T = 1_000_000_000;

/** The weight after `seconds` of ten tries a second, each answered in `latencyMs`. */
function steady(latencyMs: number, seconds = 60, target = new UpstreamWeight()): UpstreamWeight {
  for (let tick = 0; tick < seconds * 10; tick++) target.record(batchOf("a", { ok: 1, latencyMs }), T + tick * 100);
  return target;
}

function weightAt(target: UpstreamWeight, nowMs: number): number {
  return combinedWeight(target.measure(nowMs), WEIGHT_DEFAULTS);
}

Deno.test("ewmaStep() is half the way after a half-life, in steps that are bounded", () => {
  const way = 1 - (1 - ewmaStep(10, 5_000)) ** 500;
  assert.ok(Math.abs(way - 0.5) < 0.001, `${way}`);
  assert.equal(ewmaStep(1e9, 5_000), MAX_STEP);
  assert.equal(ewmaStep(Infinity, 5_000), MAX_STEP);
  assert.equal(ewmaStep(-5, 5_000), 0);
});

Deno.test("combinedWeight() is inverse to response time and does not saturate", () => {
  const at = (ms: number) => combinedWeight({ fastMs: ms, slowMs: ms, successRate: 1, alpha: 0.5 }, WEIGHT_DEFAULTS);
  assert.ok(at(5) / at(400) > 60);
  assert.ok(Math.abs(at(100) / at(1_000) - 10) < 0.2);
  assert.ok(at(1_000) / at(30_000) > 29);
});

Deno.test("combinedWeight() follows its documented formula", () => {
  const options = { ...WEIGHT_DEFAULTS, baseMultiplier: 20, dynamicMultiplier: 50 };
  const weight = combinedWeight({ fastMs: 9, slowMs: 99, successRate: 0.5, alpha: 0.25 }, options);
  const expected = (0.25 * 50 * 100 + 0.75 * 20 * 5) / (0.25 * 50 + 0.75 * 20);
  assert.ok(Math.abs(weight - expected) < 1e-9);
});

Deno.test("UpstreamWeight gives 5 ms and 400 ms at least 9 to 1", () => {
  const nowMs = T + 60_000;
  assert.ok(weightAt(steady(5), nowMs) / weightAt(steady(400), nowMs) > 9);
});

Deno.test("UpstreamWeight is moved by one outlier a bounded way, whatever came before", () => {
  const random = seededRandom(8);
  for (let round = 0; round < 300; round++) {
    const latencyMs = 1 + random() * 500;
    const target = steady(latencyMs, 1 + Math.floor(random() * 20));
    const nowMs = T + 20_000 + Math.floor(random() * 1e7);
    const before = weightAt(target, nowMs);
    const outlier = random() < 0.5 ? { ok: 1, latencyMs: random() * 60_000 } : { unreachable: 1 };
    target.record(batchOf("a", outlier), nowMs);
    const after = weightAt(target, nowMs);
    const bound = (1 + MAX_STEP * (OUTLIER_FACTOR - 1)) * 2;
    assert.ok(after > before / bound / (1 + 1 / latencyMs), `${JSON.stringify(outlier)}: ${before} to ${after}`);
    assert.ok(after < before / (1 - MAX_STEP) * 1.01);
  }
});

Deno.test("UpstreamWeight loses weight while answers are slow and gains it back smoothly", () => {
  const target = steady(5);
  let nowMs = T + 60_000;
  const calm = weightAt(target, nowMs);
  for (let tick = 0; tick < 50; tick++) {
    target.record(batchOf("a", { ok: 1, latencyMs: 5_000 }), nowMs += 100);
    target.measure(nowMs);
  }
  const stalled = weightAt(target, nowMs);
  assert.ok(stalled < calm / 3, `${calm} to ${stalled}`);
  let last = stalled;
  for (let second = 0; second < 120; second++) {
    for (let tick = 0; tick < 10; tick++) target.record(batchOf("a", { ok: 1, latencyMs: 5 }), nowMs += 100);
    const next = weightAt(target, nowMs);
    // For a while the mix still moves to the recent average, which is only just coming down.
    assert.ok(next >= last * (second < 10 ? 0.5 : 0.98) && next <= last * 1.6, `second ${second}: ${last} to ${next}`);
    last = next;
  }
  assert.ok(last > calm * 0.6, `${calm} to ${last}`);
});

Deno.test("UpstreamWeight takes weight from a host that answers fast 429s, more with Retry-After", () => {
  const nowMs = T + 60_000;
  const after = (retryAfterMs: number) => {
    const target = steady(5);
    for (let tick = 1; tick <= 20; tick++) {
      target.record(batchOf("a", { limited: 1, latencyMs: 1, retryAfterMs }), nowMs + tick * 100);
    }
    return weightAt(target, nowMs + 2_000);
  };
  const calm = weightAt(steady(5), nowMs);
  assert.ok(after(0) < calm / 2, `${calm} to ${after(0)}`);
  assert.ok(after(10_000) < calm / 30, `${calm} to ${after(10_000)}`);
  assert.ok(after(10_000) < after(0) / 5);
});

Deno.test("UpstreamWeight holds a penalty while Retry-After lasts, then lets it fade", () => {
  const target = steady(5);
  const nowMs = T + 60_000;
  for (let i = 0; i < 5; i++) target.record(batchOf("a", { limited: 5, retryAfterMs: 30_000 }), nowMs + i * 1_000);
  const held = target.measure(nowMs + 5_000).fastMs;
  assert.ok(held > 500, `${held}`);
  assert.ok(target.measure(nowMs + 30_000).fastMs > held * 0.99);
  assert.ok(target.measure(nowMs + 34_000 + 100_000).fastMs < 8);
});

Deno.test("UpstreamWeight lets the success rate follow failures and recover", () => {
  const target = steady(20);
  let nowMs = T + 60_000;
  for (let i = 0; i < 100; i++) target.record(batchOf("a", { ok: 1, failed: 1, latencyMs: 20 }), nowMs += 200);
  const { successRate } = target.measure(nowMs);
  assert.ok(successRate > 0.45 && successRate < 0.6, `${successRate}`);
  for (let i = 0; i < 200; i++) target.record(batchOf("a", { ok: 1, latencyMs: 20 }), nowMs += 200);
  assert.ok(target.measure(nowMs).successRate > 0.98);
});

Deno.test("UpstreamWeight trusts the recent more while it differs from the long term, within bounds", () => {
  const target = steady(5);
  let nowMs = T + 60_000;
  assert.equal(target.measure(nowMs).alpha, WEIGHT_DEFAULTS.alphaInitial);
  for (let i = 0; i < 50; i++) {
    nowMs += 1_000;
    target.record(batchOf("a", { ok: 10, latencyMs: 100 }), nowMs);
    const { alpha } = target.measure(nowMs);
    assert.ok(alpha >= WEIGHT_DEFAULTS.alphaInitial && alpha <= WEIGHT_DEFAULTS.alphaMax);
  }
  assert.ok(target.measure(nowMs).alpha > 0.9);
  for (let i = 0; i < 600; i++) {
    nowMs += 1_000;
    target.record(batchOf("a", { ok: 10, latencyMs: 100 }), nowMs);
    target.measure(nowMs);
  }
  assert.ok(Math.abs(target.measure(nowMs).alpha - WEIGHT_DEFAULTS.alphaInitial) < 1e-9);
});

Deno.test("UpstreamWeight stays finite and positive whatever it is told", () => {
  const random = seededRandom(21);
  for (let round = 0; round < 50; round++) {
    const target = new UpstreamWeight();
    let nowMs = T;
    for (let step = 0; step < 200; step++) {
      nowMs += Math.floor(random() ** 4 * 1e6) - 10;
      const count = () => Math.floor(random() ** 3 * 100);
      const latencyMs = random() < 0.1 ? 0 : random() ** 6 * 1e7;
      const seen = { ok: count(), failed: count(), limited: count(), latencyMs, retryAfterMs: random() * 1e9 };
      target.record(batchOf("a", seen), nowMs);
      const measured = target.measure(nowMs);
      assert.ok(measured.successRate >= 0 && measured.successRate <= 1);
      const weight = combinedWeight(measured, WEIGHT_DEFAULTS);
      assert.ok(weight > 0 && Number.isFinite(weight), `${JSON.stringify(measured)}`);
    }
  }
});

Deno.test("UpstreamWeight learns from checks only where requests say nothing", () => {
  const target = new UpstreamWeight();
  assert.equal(target.known, false);
  target.recordCheck(50, T);
  assert.equal(target.measure(T).fastMs, 50);
  target.record(batchOf("a", { ok: 1, latencyMs: 50 }), T + 10_000);
  target.recordCheck(1, T + 11_000);
  assert.equal(target.measure(T + 11_000).fastMs, 50);
  target.recordCheck(1, T + 20_000);
  assert.ok(target.measure(T + 20_000).fastMs < 50);
});

Deno.test("UpstreamWeight that has only failed has no response time, and a success rate that fell", () => {
  const target = new UpstreamWeight();
  for (let i = 0; i < 10; i++) target.record(batchOf("a", { unreachable: 2 }), T + i * 1_000);
  assert.equal(target.known, false);
  assert.ok(target.measure(T + 10_000).successRate < 0.5);
});

Deno.test("UpstreamWeight.restore() goes on from what was known", () => {
  const target = new UpstreamWeight();
  target.restore(12, 34, T);
  assert.deepEqual([target.measure(T).fastMs, target.measure(T).slowMs], [12, 34]);
  const untouched = new UpstreamWeight();
  untouched.restore(0, 0, T);
  assert.equal(untouched.known, false);
});
