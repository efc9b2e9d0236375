import assert from "node:assert/strict";
import { balancerNames } from "../../lib/pool/balancer_registry.ts";
import { Pool, type PoolOptions } from "../../lib/pool/pool.ts";
import type { Report } from "../../lib/pool/outcome.ts";
import type { Upstream } from "../../lib/pool/upstream.ts";
import { healthRow, healthTable } from "./health_rows.ts";
import { seededRandom } from "../seeded_random.ts";

const FAILED: Report = { outcome: "unreachable", latencyMs: 1, retryAfterMs: 0 };
const OK: Report = { outcome: "ok", latencyMs: 1, retryAfterMs: 0 };
const NOW_MS = 1_000_000;

function pool(ids: readonly string[], options: Partial<PoolOptions> = {}): Pool {
  const upstreams = ids.map((id) => ({ id, url: `http://${id}.test`, weight: 1 }));
  return new Pool({ name: "p", strategy: "weighted-ewma", upstreams, random: seededRandom(11), ...options });
}

function shares(target: Pool, nowMs = NOW_MS, picks = 2_000): Record<string, number> {
  const counts: Record<string, number> = Object.fromEntries(target.upstreams.map(({ id }) => [id, 0]));
  for (let i = 0; i < picks; i++) {
    const picked = target.select(null, i, nowMs);
    if (picked !== null) counts[picked.id]!++;
  }
  for (const id of Object.keys(counts)) counts[id]! /= picks;
  return counts;
}

function byId(target: Pool, id: string): Upstream {
  return target.upstreams.find((upstream) => upstream.id === id)!;
}

function fail(target: Upstream, times: number, nowMs = NOW_MS): void {
  for (let i = 0; i < times; i++) {
    target.begin(nowMs);
    target.end(FAILED, nowMs);
  }
}

Deno.test("Pool.select() shares by the weights of the health table", () => {
  const target = pool(["a", "b"]);
  target.apply(
    healthTable(1, { a: healthRow("healthy", { weightFactor: 9 }), b: healthRow("healthy", { weightFactor: 1 }) }),
  );
  const { a } = shares(target);
  assert.ok(a! > 0.87 && a! < 0.93, `${a}`);
});

Deno.test("Pool.select() gives nothing to one that the table says is out", () => {
  const target = pool(["a", "b", "c"]);
  target.apply(healthTable(1, { a: healthRow("unhealthy"), b: healthRow("healthy"), c: healthRow("unknown") }));
  assert.equal(shares(target).a, 0);
});

Deno.test("Pool.select() gives nothing more to one whose breaker opened, within one outcome", () => {
  const target = pool(["a", "b", "c"]);
  shares(target);
  fail(byId(target, "a"), 5);
  assert.equal(shares(target).a, 0);
});

Deno.test("Pool.select() takes one with an open breaker up again for a probe, one at a time", () => {
  const target = pool(["a", "b"], { breaker: { maxFailures: 1, openMs: 1_000, maxOpenMs: 1_000 } });
  const a = byId(target, "a");
  fail(a, 1);
  assert.equal(shares(target).a, 0);
  const later = NOW_MS + 1_001;
  assert.ok(shares(target, later).a! > 0);
  a.begin(later);
  assert.equal(shares(target, later).a, 0);
  a.end(OK, later);
  assert.ok(shares(target, later).a! > 0.4);
});

Deno.test("Pool.select() never gives a tried one while another is in, and gives it again when none is", () => {
  const target = pool(["a", "b"]);
  const a = byId(target, "a");
  for (let i = 0; i < 50; i++) assert.equal(target.select(new Set([a]), i, NOW_MS)!.id, "b");
  assert.ok(target.select(new Set(target.upstreams), 1, NOW_MS));
});

Deno.test("Pool panics below the threshold: those that are out get a tenth of a share", () => {
  const target = pool(["a", "b", "c"]);
  target.apply(healthTable(1, { a: healthRow("healthy"), b: healthRow("unhealthy"), c: healthRow("ejected") }));
  const { a, b, c } = shares(target, NOW_MS, 10_000);
  assert.equal(target.panicking, true);
  assert.ok(a! > 0.8 && a! < 0.87, `${a}`);
  assert.ok(b! > 0.05 && c! > 0.05);
});

Deno.test("Pool does not panic at the threshold: one of two is enough", () => {
  const target = pool(["a", "b"]);
  target.apply(healthTable(1, { a: healthRow("healthy"), b: healthRow("unhealthy") }));
  assert.deepEqual(shares(target), { a: 1, b: 0 });
  assert.equal(target.panicking, false);
});

Deno.test("Pool serves all when all are out, or none with `panic: fail`", () => {
  const out = healthTable(1, { a: healthRow("unhealthy"), b: healthRow("ejected") });
  const all = pool(["a", "b"]);
  all.apply(out);
  const { a, b } = shares(all);
  assert.ok(a! > 0.4 && b! > 0.4);
  const none = pool(["a", "b"], { panic: "fail" });
  none.apply(out);
  assert.equal(none.select(null, 0, NOW_MS), null);
  none.apply(healthTable(2, { a: healthRow("healthy"), b: healthRow("ejected") }));
  assert.deepEqual(shares(none), { a: 1, b: 0 });
});

Deno.test("Pool in panic: a good answer brings an upstream back in this worker's own breaker", () => {
  const target = pool(["a"]);
  fail(byId(target, "a"), 5);
  assert.equal(target.select(null, 0, NOW_MS)!.id, "a");
  assert.equal(target.panicking, true);
  byId(target, "a").begin(NOW_MS);
  byId(target, "a").end(OK, NOW_MS);
  target.select(null, 0, NOW_MS);
  assert.equal(target.panicking, false);
});

Deno.test("Pool ramps a recovered upstream over the window", () => {
  const target = pool(["a", "b"], { slowStart: { windowMs: 10_000, floor: 0.1 } });
  target.apply(healthTable(1, { a: healthRow("healthy", { rampFromMs: NOW_MS }), b: healthRow("healthy") }));
  const steps = [0, 2_500, 5_000, 7_500, 10_000].map((passed) => shares(target, NOW_MS + passed, 5_000).a!);
  const expected = [0.1, 0.325, 0.55, 0.775, 1].map((factor) => factor / (1 + factor));
  steps.forEach((share, i) => assert.ok(Math.abs(share - expected[i]!) < 0.03, `${steps}`));
});

Deno.test("Pool.apply() ignores a table older than the last, and rows of upstreams it does not have", () => {
  const target = pool(["a", "b"]);
  target.apply(healthTable(5, { a: healthRow("unhealthy"), zzz: healthRow("healthy") }));
  target.apply(healthTable(4, { a: healthRow("healthy") }));
  assert.equal(shares(target).a, 0);
});

Deno.test("Pool.carryOver() keeps what is known of unchanged upstreams and ramps new ones", () => {
  const before = pool(["a", "b", "gone"]);
  before.apply(
    healthTable(3, {
      a: healthRow("healthy", { weightFactor: 5 }),
      b: healthRow("unhealthy"),
      gone: healthRow("healthy"),
    }),
  );
  fail(byId(before, "a"), 2);
  const after = pool(["a", "b", "new"], { slowStart: { windowMs: 10_000, floor: 0.1 } });
  after.carryOver(before, NOW_MS);
  const first = shares(after);
  assert.equal(first.b, 0);
  assert.ok(first.new! > 0.02 && first.new! < 0.15, `${first.new}`);
  assert.ok(shares(after, NOW_MS + 10_000).new! > 0.3);
  assert.equal(byId(after, "a").takeOutcomes()!.counts.unreachable, 2);
  after.apply(healthTable(2, { b: healthRow("healthy") }));
  assert.equal(shares(after).b, 0, "an older table than the old pool's was applied");
});

Deno.test("Pool.carryOver() is told of breakers that requests of the old pool open", () => {
  const before = pool(["a", "b"]);
  const after = pool(["a", "b"]);
  after.carryOver(before, NOW_MS);
  shares(after);
  fail(byId(before, "a"), 5);
  assert.equal(shares(after).a, 0);
});

Deno.test("Pool.carryOver() holds unchanged upstreams to the new pool's breaker options", () => {
  const before = pool(["a", "b"], { breaker: { maxFailures: 5, openMs: 1_000, maxOpenMs: 1_000 } });
  fail(byId(before, "a"), 2);
  const after = pool(["a", "b"], { breaker: { maxFailures: 3, openMs: 200, maxOpenMs: 200 } });
  assert.equal(byId(before, "a").breakerState(NOW_MS), "closed");
  after.carryOver(before, NOW_MS);
  fail(byId(after, "a"), 1);
  assert.equal(byId(after, "a").breakerOpenUntilMs, NOW_MS + 200);
});

Deno.test("Pool tells when the health worker's word closes this worker's own breaker, once", () => {
  const told: string[] = [];
  const target = pool(["a", "b"], { onBreaker: ({ id }) => told.push(id) });
  target.apply(healthTable(1, { a: healthRow("ejected"), b: healthRow("healthy") }));
  fail(byId(target, "a"), 5);
  for (const version of [2, 3]) {
    target.apply(healthTable(version, { a: healthRow("healthy"), b: healthRow("healthy") }));
  }
  assert.deepEqual(told, ["a", "a"]);
  assert.equal(byId(target, "a").breakerState(NOW_MS), "closed");
});

Deno.test("Pool tells when this worker takes an upstream out by itself", () => {
  const told: string[] = [];
  const target = pool(["a", "b"], { onBreaker: (upstream) => told.push(upstream.id) });
  fail(byId(target, "b"), 5);
  assert.deepEqual(told, ["b"]);
});

Deno.test("Pool.drainReports() has a batch for each upstream that had tries", () => {
  const target = pool(["a", "b"]);
  fail(byId(target, "b"), 3);
  const batches = target.drainReports();
  assert.deepEqual(batches.map(({ id, counts }) => [id, counts.unreachable]), [["b", 3]]);
  assert.deepEqual(target.drainReports(), []);
});

Deno.test("Pool refuses a strategy that there is not", () => {
  assert.throws(() => pool(["a"], { strategy: "best" }), /name must be one of .*weighted-ewma.*received "best"/);
});

Deno.test("Pool.select() turns away from an upstream whose requests are late, before any of them has ended", () => {
  const target = pool(["fast", "slow"]);
  const row = (ms: number) => healthRow("healthy", { weightFactor: 1_000 / (ms + 1), fastMs: ms });
  target.apply(healthTable(1, { fast: row(5), slow: row(400) }));
  assert.ok(shares(target).fast! > 0.95);
  const fast = byId(target, "fast");
  const waiting = Array.from({ length: 40 }, (_, i) => fast.expectAnswer(NOW_MS + i * 25));
  const during = shares(target, NOW_MS + 1_000).fast!;
  assert.ok(during < 0.5, `${during}`);
  for (const one of waiting) one.settle(NOW_MS + 1_000);
  assert.ok(shares(target, NOW_MS + 1_050).fast! > 0.95);
});

Deno.test("Pool does not count requests out to an only upstream that is half-open, unless told to fail", () => {
  for (const [panic, expected] of [["serve-all", 5], ["fail", 1]] as const) {
    const target = pool(["a"], { panic });
    target.apply(healthTable(1, { a: healthRow("half_open") }));
    let served = 0;
    for (let i = 0; i < 5; i++) {
      const upstream = target.select(null, 0, NOW_MS);
      upstream?.begin(NOW_MS);
      if (upstream !== null) served++;
    }
    assert.equal(served, expected);
  }
});

Deno.test("Pool.saturated() tells a full pool from one that is out", () => {
  const gate = { hasRoom: () => false, enter: () => {}, leave: () => {} };
  const target = new Pool({
    name: "p",
    strategy: "round-robin",
    upstreams: [{ id: "a", url: "http://a.test", weight: 1, gate }, { id: "b", url: "http://b.test", weight: 1 }],
  });
  assert.equal(target.saturated(NOW_MS), false);
  target.apply(healthTable(1, { b: healthRow("unhealthy") }));
  assert.equal(target.saturated(NOW_MS), true);
  target.apply(healthTable(2, { a: healthRow("ejected"), b: healthRow("unhealthy") }));
  assert.equal(target.saturated(NOW_MS), false);
});

Deno.test("Pool.drain() gives an upstream nothing new by any strategy, also by name or in a panic, and its share to the others", () => {
  for (const strategy of balancerNames) {
    const target = pool(["a", "b", "c"], { strategy });
    byId(target, "a").begin(NOW_MS);
    target.drain(new Set(["a"]));
    assert.equal(shares(target).a, 0, strategy);
    assert.deepEqual(target.shares(NOW_MS), [0, 0.5, 0.5], strategy);
    assert.equal(target.named("a", NOW_MS), null);
    assert.equal(target.isDrained, false);
    fail(byId(target, "b"), 5);
    fail(byId(target, "c"), 5);
    assert.equal(shares(target).a, 0, strategy);
    assert.equal(target.panicking, true);
    target.drain(new Set(["a", "b", "c"]));
    assert.equal(target.select(null, 7, NOW_MS), null);
    assert.deepEqual([target.isDrained, target.saturated(NOW_MS)], [true, false]);
    assert.deepEqual(target.shares(NOW_MS), [0, 0, 0]);
    target.drain(new Set());
    assert.equal(target.named("a", NOW_MS), byId(target, "a"));
    assert.equal(byId(target, "a").inFlight, 1);
    byId(target, "a").end(OK, NOW_MS);
    assert.ok(shares(target).a! > 0.2, strategy);
  }
});

Deno.test("Pool.drain() holds for requests that still go by the pool before a reload, and backups take over", () => {
  const before = pool(["a"]);
  const upstreams = ["a", "b"].map((id) => ({ id, url: `http://${id}.test`, weight: 1, backup: id === "b" }));
  const after = pool([], { upstreams, slowStart: { windowMs: 0, floor: 0 } });
  after.carryOver(before, NOW_MS);
  assert.deepEqual(after.shares(NOW_MS), [1, 0]);
  after.drain(new Set(["a"]));
  assert.equal(before.select(null, 0, NOW_MS), null);
  assert.equal(after.select(null, 0, NOW_MS)!.id, "b");
  assert.deepEqual(after.shares(NOW_MS), [0, 1]);
});

Deno.test("Pool.shares() are what the picks come to, and 0 for a backup that is not needed", () => {
  const weights = { a: 1, b: 3, spare: 5 };
  const upstreams = Object.entries(weights).map(([id, weight]) => {
    return { id, url: `http://${id}.test`, weight, backup: id === "spare" };
  });
  for (const strategy of balancerNames.filter((name) => name !== "p2c-ewma")) {
    const target = pool([], { strategy, upstreams });
    assert.deepEqual(target.shares(NOW_MS), [0.25, 0.75, 0]);
    if (strategy !== "consistent-hash") assert.ok(Math.abs(shares(target).a! - 0.25) < 0.03, strategy);
  }
});
