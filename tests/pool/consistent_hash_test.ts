import assert from "node:assert/strict";
import { ConsistentHash } from "../../lib/pool/consistent_hash.ts";
import { hash32 } from "../../lib/hash.ts";
import { Upstream } from "../../lib/pool/upstream.ts";
import { balancerSuite, countPicks, upstreamsOf } from "./balancer_suite.ts";
import { seededRandom } from "../seeded_random.ts";

balancerSuite("ConsistentHash", (options) => new ConsistentHash(options));

const KEYS = Array.from({ length: 10_000 }, (_, i) => hash32(`/3/movie/${i}`));

function build(upstreams: readonly Upstream[]): ConsistentHash {
  const balancer = new ConsistentHash({ random: seededRandom(1) });
  balancer.rebuild(upstreams);
  return balancer;
}

function owners(balancer: ConsistentHash, tried: ReadonlySet<Upstream> | null = null): string[] {
  return KEYS.map((key) => balancer.pick(tried, key, 0)!.id);
}

/** How many keys have another owner. */
function moves(before: readonly string[], after: readonly string[]): number {
  return before.filter((id, i) => id !== after[i]).length;
}

Deno.test("ConsistentHash picks the same for the same key, in every worker", () => {
  const first = owners(build(upstreamsOf([1, 1, 1, 1])));
  assert.deepEqual(owners(build(upstreamsOf([1, 1, 1, 1]))), first);
});

Deno.test("ConsistentHash shares keys by weight, to within a fifth", () => {
  const weights = [1, 2, 3, 4];
  const ids = owners(build(upstreamsOf(weights)));
  weights.forEach((weight, i) => {
    const expected = weight * 1_000;
    const count = ids.filter((id) => id === `u${i}`).length;
    assert.ok(Math.abs(count - expected) < expected / 5, `u${i}: ${count}`);
  });
});

Deno.test("ConsistentHash moves only the keys of the one that goes out, and back when it returns", () => {
  const upstreams = upstreamsOf([1, 1, 1, 1, 1]);
  const balancer = build(upstreams);
  const before = owners(balancer);
  upstreams[2]!.nominalWeight = 0;
  balancer.rebuild(upstreams);
  const without = owners(balancer);
  assert.equal(moves(before, without), before.filter((id) => id === "u2").length);
  upstreams[2]!.nominalWeight = 1;
  balancer.rebuild(upstreams);
  assert.deepEqual(owners(balancer), before);
});

Deno.test("ConsistentHash moves few keys when an upstream is added or listed elsewhere", () => {
  const upstreams = upstreamsOf([1, 1, 1, 1]);
  const before = owners(build(upstreams));
  assert.equal(moves(before, owners(build(upstreams.toReversed()))), 0);
  const more = [...upstreams, new Upstream({ id: "u4", url: "http://u4.test", weight: 1 })];
  const moved = moves(before, owners(build(more)));
  assert.ok(moved > 1_500 && moved < 2_500, `${moved}`);
});

Deno.test("ConsistentHash keeps a hot key within the bound and passes the rest on", () => {
  const upstreams = upstreamsOf([1, 1, 1, 1]);
  const balancer = build(upstreams);
  for (let i = 0; i < 400; i++) balancer.pick(null, KEYS[0]!, 0)!.begin(0);
  for (const { inFlight } of upstreams) assert.ok(inFlight <= 126, `${inFlight}`);
  const home = owners(build(upstreamsOf([1, 1, 1, 1])))[0];
  assert.equal(
    Math.max(...upstreams.map(({ inFlight }) => inFlight)),
    upstreams.find(({ id }) => id === home)!.inFlight,
  );
});

Deno.test("ConsistentHash counts what ends: a bound that was reached opens again", () => {
  const upstreams = upstreamsOf([1, 1]);
  const balancer = build(upstreams);
  const home = balancer.pick(null, KEYS[0]!, 0)!;
  const begun = Array.from({ length: 100 }, () => {
    const picked = balancer.pick(null, KEYS[0]!, 0)!;
    picked.begin(0);
    return picked;
  });
  for (const upstream of begun) upstream.end({ outcome: "ok", latencyMs: 1, retryAfterMs: 0 }, 0);
  assert.equal(balancer.pick(null, KEYS[0]!, 0), home);
});

Deno.test("ConsistentHash is consistent among the few that are left of many", () => {
  const upstreams = upstreamsOf(Array.from({ length: 200 }, () => 1));
  for (const upstream of upstreams.slice(3)) upstream.nominalWeight = 0;
  const balancer = build(upstreams);
  const ids = owners(balancer);
  assert.deepEqual(owners(balancer), ids);
  for (const count of countPicks(balancer, upstreams, 3_000).slice(0, 3)) assert.ok(count > 600, `${count}`);
});
