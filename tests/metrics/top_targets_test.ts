import assert from "node:assert/strict";
import { TopTargets, type Weights } from "../../lib/metrics/top_targets.ts";
import { integer, seededRandom } from "../seeded_random.ts";

const HOUR_MS = 60 * 60_000;

function hit(top: TopTargets, key: string, nowMs = 0): void {
  const weight = top.hitWeight();
  if (weight > 0) top.addHit(key, { bytes: 100, ms: 0.1, nowMs }, weight);
}

function miss(top: TopTargets, key: string, request: Weights): void {
  const weight = top.missWeight(request);
  if (weight > 0) top.addMiss(key, request, weight);
}

Deno.test("TopTargets samples the misses of a busy hour, but counts each that is heavy", () => {
  const random = seededRandom(5);
  const top = new TopTargets(0, random);
  for (let at = 0; at < 200_000; at++) {
    miss(top, `k${integer(random, 20)}`, { bytes: 100, ms: 1, nowMs: 0 });
    if (at % 10_000 === 0) miss(top, "large", { bytes: 1 << 30, ms: 1, nowMs: 0 });
    if (at % 10_000 === 1) miss(top, "slow", { bytes: 1, ms: 60_000, nowMs: 0 });
  }
  const { misses, bytes, ms } = top.heaviest(0);
  assert.deepEqual([bytes[0]?.key, bytes[0]?.weight], ["large", 20 * 2 ** 30]);
  assert.deepEqual([ms[0]?.key, ms[0]?.weight], ["slow", 20 * 60_000]);
  for (const { key, weight } of misses.slice(0, 20)) {
    assert.ok(Math.abs(weight - 10_000) < 1_500, `${key}: ${weight}`);
  }
});

Deno.test("TopTargets counts the first of each kind one by one", () => {
  const top = new TopTargets(0);
  for (let at = 0; at < 300; at++) hit(top, at % 3 === 0 ? "a" : "b");
  for (let at = 0; at < 4; at++) miss(top, "c", { bytes: 1_000_000, ms: 500, nowMs: 0 });
  const { requests, misses, bytes, ms } = top.heaviest(0);
  assert.deepEqual(requests.map(({ key, weight }) => [key, weight]), [["b", 200], ["a", 100], ["c", 4]]);
  assert.deepEqual(misses, [{ key: "c", weight: 4, over: 0 }]);
  assert.deepEqual([bytes[0], Math.round(ms[0]!.weight)], [{ key: "c", weight: 4_000_000, over: 0 }, 2_000]);
});

Deno.test("TopTargets samples the hits of a busy hour, and comes close to their true shares", () => {
  const random = seededRandom(7);
  const top = new TopTargets(0, random);
  const truth: Record<string, number> = {};
  for (let at = 0; at < 400_000; at++) {
    const key = `k${Math.floor(50 * random() ** 3)}`;
    truth[key] = (truth[key] ?? 0) + 1;
    hit(top, key);
  }
  const shown = top.heaviest(0).requests;
  for (const { key, weight } of shown.slice(0, 10)) {
    // Three standard deviations of a sample of one in 64.
    assert.ok(Math.abs(weight - truth[key]!) < 3 * Math.sqrt(64 * truth[key]!), `${key}: ${weight} of ${truth[key]}`);
  }
  const sum = shown.reduce((all, { weight }) => all + weight, 0);
  assert.ok(Math.abs(sum - 400_000) < 12_000, String(sum));
});

Deno.test("TopTargets favours no target whose requests come in a rhythm", () => {
  const top = new TopTargets(0, seededRandom(3));
  for (let at = 0; at < 400_000; at++) hit(top, `k${at % 16}`);
  const weights = top.heaviest(0).requests.map(({ weight }) => weight);
  assert.ok(weights.length === 16 && Math.min(...weights) > 21_000 && Math.max(...weights) < 29_000, weights.join(" "));
});

Deno.test("TopTargets shows the hour that goes on and the one before, and holds a bounded number of keys", () => {
  const top = new TopTargets(0);
  const missAt = (key: string, nowMs: number) => miss(top, key, { bytes: 1, ms: 1, nowMs });
  missAt("first", 0);
  missAt("second", HOUR_MS);
  assert.deepEqual(top.heaviest(HOUR_MS + 1).misses.map(({ key }) => key).sort(), ["first", "second"]);
  assert.deepEqual(top.heaviest(2 * HOUR_MS).misses.map(({ key }) => key), ["second"]);
  assert.deepEqual(top.heaviest(4 * HOUR_MS).misses, []);
  const random = seededRandom(1);
  for (let at = 0; at < 5_000; at++) missAt(`k${integer(random, 1e9)}`, 4 * HOUR_MS);
  const { requests, misses, bytes, ms } = top.heaviest(4 * HOUR_MS);
  assert.deepEqual([requests, misses, bytes, ms].map(({ length }) => length), [256, 256, 256, 256]);
});
