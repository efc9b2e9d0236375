import assert from "node:assert/strict";
import type { Balancer, BalancerOptions } from "../../lib/pool/balancer.ts";
import { Pool } from "../../lib/pool/pool.ts";
import { Upstream } from "../../lib/pool/upstream.ts";
import { seededRandom } from "../seeded_random.ts";

/** Upstreams with these weights. */
export function upstreamsOf(weights: readonly number[]): Upstream[] {
  return weights.map((weight, i) => new Upstream({ id: `u${i}`, url: `http://u${i}.test`, weight }));
}

/** How often each was picked in `picks` picks, each ended before the next began. */
export function countPicks(balancer: Balancer, upstreams: readonly Upstream[], picks: number): number[] {
  const counts = new Map(upstreams.map((upstream) => [upstream, 0]));
  const random = seededRandom(99);
  for (let i = 0; i < picks; i++) {
    const picked = balancer.pick(null, Math.floor(random() * 2 ** 32), 0);
    assert.ok(picked);
    counts.set(picked, counts.get(picked)! + 1);
  }
  return [...counts.values()];
}

/** What every strategy must do. */
export function balancerSuite(name: string, create: (options: BalancerOptions) => Balancer): void {
  const build = (weights: readonly number[], seed = 1) => {
    const balancer = create({ random: seededRandom(seed) });
    const upstreams = upstreamsOf(weights);
    balancer.rebuild(upstreams);
    return { balancer, upstreams };
  };

  Deno.test(`${name} picks nothing from nothing`, () => {
    assert.equal(build([]).balancer.pick(null, 7, 0), null);
    assert.equal(build([0, 0]).balancer.pick(null, 7, 0), null);
    assert.equal(create({}).pick(null, 7, 0), null);
  });

  Deno.test(`${name} always picks the only one`, () => {
    const { balancer, upstreams } = build([3]);
    for (let i = 0; i < 100; i++) assert.equal(balancer.pick(null, i * 7919, i), upstreams[0]);
  });

  Deno.test(`${name} never picks a weight of 0`, () => {
    const { balancer, upstreams } = build([1, 0, 1]);
    const counts = countPicks(balancer, upstreams, 1_000);
    assert.equal(counts[1], 0);
    assert.equal(counts[0]! + counts[2]!, 1_000);
  });

  Deno.test(`${name} gives every weighted one something`, () => {
    const { balancer, upstreams } = build([1, 1, 1, 1, 1]);
    for (const count of countPicks(balancer, upstreams, 2_000)) assert.ok(count > 0);
  });

  Deno.test(`${name} goes through all untried ones, then answers null`, () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { balancer, upstreams } = build([100, 1, 1, 0.01, 5, 1, 1], seed);
      const tried = new Set<Upstream>();
      for (let attempt = 0; attempt < upstreams.length; attempt++) {
        const picked = balancer.pick(tried, seed, 0);
        assert.ok(picked, `attempt ${attempt} of seed ${seed}`);
        assert.ok(!tried.has(picked));
        tried.add(picked);
      }
      assert.equal(balancer.pick(tried, seed, 0), null);
    }
  });

  Deno.test(`${name} never picks one that is full`, () => {
    const { balancer, upstreams } = build([10, 1, 1]);
    upstreams[0]!.inFlightLimit = 1;
    upstreams[0]!.begin(0);
    assert.equal(countPicks(balancer, upstreams, 500)[0], 0);
    for (const upstream of upstreams) {
      upstream.inFlightLimit = 1;
      upstream.begin(0);
    }
    assert.equal(balancer.pick(null, 5, 0), null);
  });

  Deno.test(`${name} takes up a full one again when it has room`, () => {
    const { balancer, upstreams } = build([10, 1]);
    upstreams[0]!.inFlightLimit = 1;
    upstreams[0]!.begin(0);
    assert.equal(countPicks(balancer, upstreams, 50)[0], 0);
    upstreams[0]!.end({ outcome: "ok", latencyMs: 1, retryAfterMs: 0 }, 0);
    assert.ok(countPicks(balancer, upstreams, 200)[0]! > 0);
  });

  Deno.test(`${name} follows a rebuild`, () => {
    const { balancer, upstreams } = build([1, 1, 1]);
    upstreams[0]!.nominalWeight = upstreams[0]!.effectiveWeight = 0;
    balancer.rebuild(upstreams);
    assert.equal(countPicks(balancer, upstreams, 300)[0], 0);
    const others = upstreamsOf([1, 1]);
    balancer.rebuild(others);
    assert.equal(countPicks(balancer, others, 300).reduce((sum, count) => sum + count), 300);
  });

  Deno.test(`${name} finds the one of 200 that is left`, () => {
    const { balancer, upstreams } = build(Array.from({ length: 200 }, (_, i) => i + 1));
    for (const upstream of upstreams.slice(1)) {
      upstream.inFlightLimit = 1;
      upstream.begin(0);
    }
    for (let i = 0; i < 100; i++) assert.equal(balancer.pick(null, i * 104_729, 0), upstreams[0]);
  });

  const poolOf = (parts: readonly { weight?: number; backup?: boolean }[], seed = 3) =>
    new Pool({
      name: "p",
      strategy: name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "-").toLowerCase(),
      upstreams: parts.map(({ weight = 1, backup }, i) => ({ id: `u${i}`, url: `http://u${i}.test`, weight, backup })),
      breaker: { maxFailures: 1, openMs: 1_000, maxOpenMs: 1_000 },
      random: seededRandom(seed),
    });
  const picked = (pool: Pool, nowMs: number, tried: ReadonlySet<Upstream> | null = null) =>
    new Set(
      Array.from({ length: 200 }, (_, i) => pool.select(tried, Math.imul(i, 0x9e3779b1) >>> 0, nowMs)?.id ?? null),
    );
  const fail = (upstream: Upstream, nowMs: number) => {
    upstream.begin(nowMs);
    upstream.end({ outcome: "unreachable", latencyMs: 1, retryAfterMs: 0 }, nowMs);
  };

  Deno.test(`${name} asks a backup only when no other is in, untried and with room`, () => {
    const pool = poolOf([{}, {}, { backup: true }, { backup: true }]);
    const [one, two, three] = pool.upstreams as [Upstream, Upstream, Upstream, Upstream];
    assert.deepEqual(picked(pool, 1), new Set(["u0", "u1"]));
    assert.deepEqual(picked(pool, 1, new Set([one])), new Set(["u1"]));
    assert.deepEqual([...picked(pool, 1, new Set([one, two]))].sort(), ["u2", "u3"]);
    assert.deepEqual(picked(pool, 1, new Set([one, two, three])), new Set(["u3"]));
    // Half of those that are no backups are out: no panic, since a backup is in.
    fail(one, 1);
    assert.deepEqual(picked(pool, 1), new Set(["u1"]));
    fail(two, 1);
    assert.deepEqual([...picked(pool, 1)].sort(), ["u2", "u3"]);
    assert.equal(pool.panicking, false);
    assert.deepEqual(picked(pool, 5_000).has("u2"), false);
  });

  Deno.test(`${name} asks all where nobody is in, backups last`, () => {
    const pool = poolOf([{}, {}, { backup: true }]);
    for (const upstream of pool.upstreams) fail(upstream, 1);
    assert.deepEqual([...picked(pool, 1)].sort(), ["u0", "u1"]);
    assert.equal(pool.panicking, true);
    assert.deepEqual(picked(pool, 1, new Set(pool.upstreams.slice(0, 2))), new Set(["u2"]));
  });

  Deno.test(`${name} asks one with weight 0 by its name only, and not while it is out`, () => {
    const pool = poolOf([{}, { weight: 0 }, { weight: 0, backup: true }]);
    assert.deepEqual(picked(pool, 1), new Set(["u0"]));
    assert.deepEqual(picked(pool, 1, new Set(pool.upstreams.slice(0, 1))), new Set(["u0"]));
    assert.equal(pool.named("u1", 1)?.id, "u1");
    assert.equal(pool.named("u9", 1), null);
    fail(pool.upstreams[1]!, 1);
    assert.equal(pool.named("u1", 1), null);
    fail(pool.upstreams[0]!, 1);
    assert.deepEqual(picked(pool, 1), new Set(["u0"]));
  });
}
