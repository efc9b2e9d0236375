import assert from "node:assert/strict";
import { LeastInflight } from "../../lib/pool/least_inflight.ts";
import type { Upstream } from "../../lib/pool/upstream.ts";
import { balancerSuite, countPicks, upstreamsOf } from "./balancer_suite.ts";
import { seededRandom } from "../seeded_random.ts";

balancerSuite("LeastInflight", (options) => new LeastInflight(options));

const OK = { outcome: "ok", latencyMs: 1, retryAfterMs: 0 } as const;

function build(weights: readonly number[]) {
  const balancer = new LeastInflight({ random: seededRandom(1) });
  const upstreams = upstreamsOf(weights);
  balancer.rebuild(upstreams);
  return { balancer, upstreams };
}

Deno.test("LeastInflight always picks the least loaded for its weight, as requests come and go at random", () => {
  const random = seededRandom(5);
  const { balancer, upstreams } = build([1, 2, 3, 0.5, 1, 1, 4, 1]);
  const running: Upstream[] = [];
  for (let i = 0; i < 5_000; i++) {
    if (running.length > 0 && random() < 0.48) {
      running.splice(Math.floor(random() * running.length), 1)[0]!.end(OK, 0);
      continue;
    }
    const picked = balancer.pick(null, 0, 0)!;
    const least = Math.min(...upstreams.map(({ inFlight, weight }) => inFlight / weight));
    assert.equal(picked.inFlight / picked.weight, least);
    picked.begin(0);
    running.push(picked);
  }
});

Deno.test("LeastInflight shares an idle pool by weight", () => {
  const weights = [5, 3, 2];
  const { balancer, upstreams } = build(weights);
  countPicks(balancer, upstreams, 1_000).forEach((count, i) => {
    assert.ok(Math.abs(count - weights[i]! * 100) <= 1, `${i}: ${count}`);
  });
});

Deno.test("LeastInflight takes over what is in flight at a rebuild", () => {
  const { balancer, upstreams } = build([1, 1]);
  for (let i = 0; i < 10; i++) upstreams[0]!.begin(0);
  balancer.rebuild(upstreams);
  assert.equal(countPicks(balancer, upstreams, 50)[0], 0);
});
