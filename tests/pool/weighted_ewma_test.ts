import assert from "node:assert/strict";
import { WeightedEwma } from "../../lib/pool/weighted_ewma.ts";
import { balancerSuite, countPicks, upstreamsOf } from "./balancer_suite.ts";
import { chiSquared, chiSquaredLimit } from "../chi_squared.ts";
import { seededRandom } from "../seeded_random.ts";

balancerSuite("WeightedEwma", (options) => new WeightedEwma(options));

function measure(weights: readonly number[], seed: number): number[] {
  const balancer = new WeightedEwma({ random: seededRandom(seed) });
  const upstreams = upstreamsOf(weights);
  balancer.rebuild(upstreams);
  return countPicks(balancer, upstreams, 10_000);
}

Deno.test("WeightedEwma shares 10,000 picks as the weights say (χ²)", () => {
  const tables = [[1, 1], [9, 1], [5, 3, 2], [0.001, 0.002, 0.003], [1, 2, 3, 4, 5, 6, 7, 8], [80, 1, 1, 1]];
  for (const [i, weights] of tables.entries()) {
    const statistic = chiSquared(measure(weights, i + 1), weights);
    assert.ok(statistic < chiSquaredLimit(weights.length - 1), `${weights}: ${statistic}`);
  }
});

Deno.test("WeightedEwma shares among 200 as the weights say (χ²)", () => {
  const weights = Array.from({ length: 200 }, (_, i) => 1 + i % 7);
  assert.ok(chiSquared(measure(weights, 7), weights) < chiSquaredLimit(199));
});

Deno.test("WeightedEwma keeps the proportions of those that are left when one was tried (χ²)", () => {
  const balancer = new WeightedEwma({ random: seededRandom(3) });
  const upstreams = upstreamsOf([5, 3, 2]);
  balancer.rebuild(upstreams);
  const tried = new Set([upstreams[0]!]);
  const counts = [0, 0, 0];
  for (let i = 0; i < 10_000; i++) counts[upstreams.indexOf(balancer.pick(tried, 0, 0)!)]!++;
  assert.equal(counts[0], 0);
  // 1 draw in 256 ends in the least loaded: a bias of 0.4 %, within what 10,000 picks can tell.
  assert.ok(chiSquared(counts.slice(1), [3, 2]) < chiSquaredLimit(1), `${counts}`);
});

Deno.test("WeightedEwma sends what a full one would get to the least loaded", () => {
  const balancer = new WeightedEwma({ random: seededRandom(4) });
  const upstreams = upstreamsOf([1000, 1, 1]);
  balancer.rebuild(upstreams);
  upstreams[0]!.inFlightLimit = 0;
  upstreams[1]!.begin(0);
  const counts = countPicks(balancer, upstreams, 200);
  assert.ok(counts[2]! >= 198, `${counts}`);
});
