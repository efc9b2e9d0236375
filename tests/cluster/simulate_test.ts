import assert from "node:assert/strict";
import { COSTS } from "./simulate/costs.ts";
import { simulateFailover } from "./simulate/failover.ts";
import { simulateHotKey } from "./simulate/hot_key.ts";
import { simulatePurges } from "./simulate/purges.ts";
import { simulateRates } from "./simulate/rates.ts";
import { Simulation } from "./simulate/simulation.ts";

Deno.test("Simulation runs events by their time, and those of one time in the order they came", () => {
  const simulation = new Simulation(1);
  const seen: string[] = [];
  simulation.after(2, () => seen.push(`late ${simulation.nowMs}`));
  simulation.after(1, () => {
    seen.push(`first ${simulation.nowMs}`);
    simulation.at(0, () => seen.push(`past ${simulation.nowMs}`));
  });
  simulation.after(1, () => seen.push("second"));
  simulation.after(5, () => seen.push("never"));
  simulation.runUntil(5);
  assert.deepEqual(seen, ["first 1", "second", "past 1", "late 2"]);
});

Deno.test("the simulation of a cluster gives the same for a seed, and answers every purge of a small one", () => {
  const run = () => simulatePurges({ gateways: 5, purgesPerSecond: 20, seconds: 3, seed: 7 }, COSTS);
  const figures = run();
  assert.deepEqual(figures, run());
  assert.ok(figures.purges > 20);
  assert.equal(figures.unanswered, 0);
  assert.ok(figures.p50Ms < figures.p99Ms);
});

Deno.test("simulated purges that the engine has no time for are not answered", () => {
  const slow = { ...COSTS, deliverUs: 1_000 };
  const { engineBusy, unanswered } = simulatePurges({ gateways: 100, purgesPerSecond: 50, seconds: 3, seed: 1 }, slow);
  assert.ok(engineBusy > 0.9);
  assert.ok(unanswered > 0);
});

Deno.test("a simulated hot key is fetched once, however many gateways want it", () => {
  for (const gateways of [2, 20, 200]) {
    const { originRequests, allMs } = simulateHotKey({ gateways, seed: 3 }, COSTS);
    assert.equal(originRequests, 1);
    assert.ok(Number.isFinite(allMs));
  }
});

Deno.test("simulated rates hold over all gateways, and without the engine as far as each may have one request", () => {
  for (const gateways of [2, 10]) {
    for (const everyMs of [100, 0]) assert.ok(simulateRates({ gateways, everyMs, seed: 1 }, COSTS).over < 0.05);
  }
});

Deno.test("every simulated connection is back after a failover", () => {
  const { allMs, lateMisses } = simulateFailover({ gateways: 10, workers: 2, seed: 1 }, COSTS);
  assert.ok(Number.isFinite(allMs));
  assert.ok(lateMisses <= 10 * 2 * 3, "a breaker opens after three");
});
