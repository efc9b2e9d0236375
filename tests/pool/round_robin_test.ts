import assert from "node:assert/strict";
import { RoundRobin } from "../../lib/pool/round_robin.ts";
import { balancerSuite, countPicks, upstreamsOf } from "./balancer_suite.ts";
import { seededRandom } from "../seeded_random.ts";

balancerSuite("RoundRobin", (options) => new RoundRobin(options));

function build(weights: readonly number[]) {
  const balancer = new RoundRobin({ random: seededRandom(1) });
  const upstreams = upstreamsOf(weights);
  balancer.rebuild(upstreams);
  return { balancer, upstreams };
}

Deno.test("RoundRobin gives each exactly its share, to within one turn", () => {
  const weights = [5, 3, 1, 1];
  const { balancer, upstreams } = build(weights);
  countPicks(balancer, upstreams, 1_000).forEach((count, i) => {
    assert.ok(Math.abs(count - weights[i]! * 100) <= 1, `${i}: ${count}`);
  });
});

Deno.test("RoundRobin is smooth: a heavy one's turns are spread out", () => {
  const { balancer, upstreams } = build([4, 1, 1]);
  let run = 0;
  for (let i = 0; i < 600; i++) {
    run = balancer.pick(null, 0, 0) === upstreams[0] ? run + 1 : 0;
    assert.ok(run <= 4, `${run} turns in a row`);
  }
});

Deno.test("RoundRobin does not let one save turns up while it is full", () => {
  const { balancer, upstreams } = build([1, 1]);
  upstreams[0]!.inFlightLimit = 0;
  countPicks(balancer, upstreams, 500);
  upstreams[0]!.inFlightLimit = Infinity;
  const counts = countPicks(balancer, upstreams, 20);
  assert.ok(Math.abs(counts[0]! - 10) <= 1, `${counts}`);
});

Deno.test("RoundRobin keeps its turn across rebuilds", () => {
  const { balancer, upstreams } = build([1, 1, 1]);
  const counts = [0, 0, 0];
  for (let i = 0; i < 300; i++) {
    balancer.rebuild(upstreams);
    counts[upstreams.indexOf(balancer.pick(null, 0, 0)!)]!++;
  }
  for (const count of counts) assert.ok(Math.abs(count - 100) <= 1, `${counts}`);
});
