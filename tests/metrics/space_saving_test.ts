import assert from "node:assert/strict";
import { SpaceSaving } from "../../lib/metrics/space_saving.ts";
import { joined } from "../../lib/metrics/top_targets.ts";
import { integer, seededRandom } from "../seeded_random.ts";

/** A stream of keys, some of them far heavier than others: the lower `skew`, the more alike. */
function streamOf(random: () => number, { length, keys, skew }: { length: number; keys: number; skew: number }) {
  return Array.from({ length }, () => ({
    key: `k${Math.floor(keys * random() ** skew)}`,
    weight: random() < 0.5 ? 1 : integer(random, 40),
  }));
}

Deno.test("SpaceSaving overstates no key by more than a share of all, understates none, and misses none that is heavier", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const capacity = 4 + integer(random, 60);
    const stream = streamOf(random, { length: 5_000, keys: 2_000, skew: 1 + 4 * random() });
    const summary = new SpaceSaving(capacity);
    const truth = new Map<string, number>();
    let total = 0;
    for (const { key, weight } of stream) {
      summary.add(key, weight);
      truth.set(key, (truth.get(key) ?? 0) + weight);
      total += weight;
    }
    const bound = total / capacity;
    const held = summary.heaviest();
    assert.equal(held.length, capacity);
    for (const { key, weight, over } of held) {
      const true_ = truth.get(key)!;
      assert.ok(
        weight >= true_ && weight - over <= true_ && over <= bound,
        `seed ${seed}: ${key} ${weight}-${over} of ${true_}`,
      );
    }
    assert.deepEqual(held.map(({ weight }) => weight), held.map(({ weight }) => weight).sort((a, b) => b - a));
    const keys = new Set(held.map(({ key }) => key));
    const missed = [...truth].filter(([key, weight]) => weight > bound && !keys.has(key));
    assert.deepEqual(missed, [], `seed ${seed}`);
  }
});

Deno.test("SpaceSaving takes no place for nothing", () => {
  const summary = new SpaceSaving(1);
  summary.add("a", 3);
  summary.add("b", 0);
  assert.deepEqual(summary.heaviest(), [{ key: "a", weight: 3, over: 0 }]);
});

Deno.test("joined() adds summaries of several workers up, and by how much each may be too high", () => {
  const sum = joined([[{ key: "a", weight: 5, over: 1 }], [{ key: "b", weight: 7, over: 0 }, {
    key: "a",
    weight: 4,
    over: 2,
  }]]);
  assert.deepEqual(sum, [{ key: "a", weight: 9, over: 3 }, { key: "b", weight: 7, over: 0 }]);
});
