import assert from "node:assert/strict";
import { Evictable, EvictionOrder } from "../../../lib/cache/memory/_eviction_order.ts";
import { seededRandom } from "../../seeded_random.ts";

function orderOf(isByRecency = false): EvictionOrder {
  return new EvictionOrder({ random: () => 0.5, isByRecency });
}

function filled(order: EvictionOrder, count: number, from = 0): Evictable[] {
  return Array.from({ length: count }, (_, n) => {
    const entry = new Evictable(1000, from + n);
    order.add(entry);
    return entry;
  });
}

/** Hashes in the order in which they go. */
function evicted(order: EvictionOrder, count: number): (number | undefined)[] {
  return Array.from({ length: count }, () => order.evict()?.hash);
}

Deno.test("EvictionOrder.evict() by recency takes what has been out of use longest", () => {
  const order = orderOf(true);
  const entries = filled(order, 4);
  order.use(entries[0]!);
  order.use(entries[0]!);
  order.use(entries[2]!);
  assert.equal(order.next?.hash, 1);
  assert.deepEqual(evicted(order, 5), [1, 3, 0, 2, undefined]);
});

Deno.test("EvictionOrder.evict() takes what was never used again before what was, new entries included", () => {
  const order = orderOf();
  for (const entry of filled(order, 100)) order.use(entry);
  filled(order, 50, 1000);
  const first = evicted(order, 50).filter((hash) => hash! >= 1000).length;
  assert.ok(first >= 40, `${first} of 50 were never used again`);
});

Deno.test("EvictionOrder.evict() keeps what was used again from what is asked for once, however much that is", () => {
  const order = orderOf();
  const held = filled(order, 70);
  for (const entry of held) order.use(entry);
  filled(order, 30, 100);
  for (let n = 0; n < 20_000; n++) {
    order.evict();
    filled(order, 1, 1000 + n);
  }
  const kept = held.filter(({ segment }) => segment !== null).length;
  assert.ok(kept >= 55, `${kept} of 70 are kept`);
});

Deno.test("EvictionOrder.evict() makes room for what is asked for again after it was evicted", () => {
  const order = orderOf();
  filled(order, 100);
  let asked: Evictable | undefined;
  for (let n = 0; n < 300; n++) {
    order.evict();
    // Every thirty others it comes anew, if it is gone.
    const isGone = n % 30 === 0 && (asked === undefined || asked.segment === null);
    const [entry] = filled(order, 1, isGone ? 5000 : 10_000 + n);
    if (isGone) asked = entry;
  }
  assert.notEqual(asked?.segment, null);
});

Deno.test("EvictionOrder.add() gives an entry the rank and the uses of the one it replaces", () => {
  const order = orderOf();
  filled(order, 100);
  const [used] = filled(order, 1, 900) as [Evictable];
  order.use(used);
  const { heat } = used;
  const wasProtected = order.remove(used);
  assert.equal(wasProtected, true);
  const renewed = new Evictable(1500, 900);
  order.add(renewed, { heat, wasProtected });
  assert.equal(order.bytes, 100 * 1000 + 1500);
  assert.ok(evicted(order, 100).every((hash) => hash !== 900));
  assert.deepEqual([order.entries, order.next], [1, renewed]);
});

Deno.test("EvictionOrder keeps its sums, and evicts all that it holds, whatever happened to it", () => {
  const random = seededRandom(11);
  const order = new EvictionOrder({ random });
  const held = new Map<number, Evictable>();
  let bytes = 0;
  const forget = (entry: Evictable) => {
    held.delete(entry.hash);
    bytes -= entry.bytes;
  };
  for (let step = 0; step < 20_000; step++) {
    const hash = Math.floor(random() * 500);
    const known = held.get(hash);
    const dice = random();
    if (dice < 0.02) order.isByRecency = !order.isByRecency;
    if (dice < 0.3 && held.size > 0) forget(order.evict()!);
    else if (known === undefined) {
      const entry = new Evictable(1 + Math.floor(random() * 5000), hash);
      held.set(hash, entry);
      bytes += entry.bytes;
      order.add(entry);
    } else if (dice < 0.4) {
      order.remove(known);
      forget(known);
    } else order.use(known);
    assert.deepEqual([order.bytes, order.entries], [bytes, held.size]);
  }
  while (held.size > 0) forget(order.evict()!);
  assert.deepEqual([order.evict(), order.bytes, order.entries], [null, 0, 0]);
});

Deno.test("EvictionOrder.evict() takes what was not used since the order became recency before what was", () => {
  const order = orderOf();
  const held = filled(order, 100);
  for (const entry of held) order.use(entry);
  order.isByRecency = true;
  const added = filled(order, 50, 1000);
  for (const entry of held.slice(80)) order.use(entry);
  evicted(order, 130);
  assert.deepEqual([order.entries, held.slice(80).filter(({ segment }) => segment !== null).length], [20, 20]);
  assert.ok(added.every(({ segment }) => segment === null));
});

Deno.test("EvictionOrder tells what is used from what was, however long it runs", () => {
  const order = orderOf();
  const [used] = filled(order, 1) as [Evictable];
  // Two million uses: more ages than are told apart.
  for (let n = 0; n < 2_100_000; n++) order.use(used);
  const held = filled(order, 99, 1);
  for (let n = 0; n < 5000; n++) for (const entry of [used, ...held.slice(0, 40)]) order.use(entry);
  evicted(order, 50);
  assert.ok([used, ...held.slice(0, 40)].every(({ segment }) => segment !== null));
});
