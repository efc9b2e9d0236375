import assert from "node:assert/strict";
import { P2cEwma } from "../../lib/pool/p2c_ewma.ts";
import type { Report } from "../../lib/pool/outcome.ts";
import type { Upstream } from "../../lib/pool/upstream.ts";
import { balancerSuite, countPicks, upstreamsOf } from "./balancer_suite.ts";
import { seededRandom } from "../seeded_random.ts";

balancerSuite("P2cEwma", (options) => new P2cEwma(options));

function build(weights: readonly number[]) {
  const balancer = new P2cEwma({ random: seededRandom(1) });
  const upstreams = upstreamsOf(weights);
  balancer.rebuild(upstreams);
  return { balancer, upstreams };
}

function tell(upstream: Upstream, outcome: Report["outcome"], latencyMs: number): void {
  upstream.begin(0);
  upstream.end({ outcome, latencyMs, retryAfterMs: 0 }, 1);
}

Deno.test("P2cEwma prefers the faster, and sends it more only until it is as loaded", () => {
  const { balancer, upstreams } = build([1, 1]);
  tell(upstreams[0]!, "ok", 10);
  tell(upstreams[1]!, "ok", 100);
  assert.deepEqual(countPicks(balancer, upstreams, 100), [100, 0]);
  for (let i = 0; i < 20; i++) upstreams[0]!.begin(0);
  assert.deepEqual(countPicks(balancer, upstreams, 100), [0, 100]);
});

Deno.test("P2cEwma takes a host that fails fast for a slow one", () => {
  const { balancer, upstreams } = build([1, 1]);
  tell(upstreams[0]!, "limited", 1);
  tell(upstreams[1]!, "ok", 300);
  assert.deepEqual(countPicks(balancer, upstreams, 100), [0, 100]);
});

Deno.test("P2cEwma avoids the worst of many, and spreads the rest", () => {
  const { balancer, upstreams } = build([1, 1, 1, 1, 1, 1]);
  upstreams.forEach((upstream, i) => tell(upstream, "ok", i === 3 ? 2_000 : 10));
  const counts = countPicks(balancer, upstreams, 3_000);
  assert.equal(counts[3], 0);
  for (const [i, count] of counts.entries()) if (i !== 3) assert.ok(count > 450, `${counts}`);
});

Deno.test("P2cEwma draws a ramping one as seldom as its ramp says, however fast it is", () => {
  const { balancer, upstreams } = build([1, 1]);
  tell(upstreams[0]!, "ok", 1);
  tell(upstreams[1]!, "ok", 500);
  upstreams[0]!.nominalWeight = 0.1;
  balancer.rebuild(upstreams);
  const share = countPicks(balancer, upstreams, 5_000)[0]! / 5_000;
  assert.ok(share > 0.07 && share < 0.13, `${share}`);
});

Deno.test("P2cEwma sends a heavier one more", () => {
  const { balancer, upstreams } = build([3, 1]);
  for (const upstream of upstreams) tell(upstream, "ok", 50);
  for (let i = 0; i < 40; i++) balancer.pick(null, 0, 1)!.begin(1);
  assert.ok(Math.abs(upstreams[0]!.inFlight - 30) <= 1, `${upstreams[0]!.inFlight}`);
});
