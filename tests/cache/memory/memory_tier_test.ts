import assert from "node:assert/strict";
import { createMemoryTier, type MemoryTier } from "../../../lib/cache/memory/memory_tier.ts";
import { heldBytes } from "../../../lib/cache/stored_response.ts";
import { PurgeTable } from "../../../lib/cache/purge/purge_table.ts";
import { createTieredStore } from "../../../lib/cache/tiered_store.ts";
import { sampleResponse, storeSuite } from "../store_suite.ts";
import { seededRandom } from "../../seeded_random.ts";

const KIB = 1024;

storeSuite({
  name: "memory tier",
  open: (limitBytes) => {
    const memory = createMemoryTier({ limitBytes });
    const purges = new PurgeTable();
    return Promise.resolve({
      store: createTieredStore({ memory, disk: null, purges }),
      purges,
      settle: () => Promise.resolve(),
      heldBytes: () => Promise.resolve(countedBytes(memory)),
      audit: () => Promise.resolve(void countedBytes(memory)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  },
});

function countedBytes(memory: MemoryTier): number {
  let bytes = 0;
  for (const entry of memory.entries()) bytes += heldBytes(entry.response);
  assert.equal(memory.stats().bytes, bytes, "the sum disagrees with the entries");
  assert.equal(memory.stats().entries, [...memory.entries()].length);
  return bytes;
}

/** Holds that what the map of a tier's listeners holds is what its segments hold, in chains without a break. */
function assertSound(memory: MemoryTier): void {
  countedBytes(memory);
  const bySegment = Map.groupBy(memory.entries(), ({ segment }) => segment);
  for (const [segment, held] of bySegment) {
    const chain: unknown[] = [];
    for (let entry = segment!.oldest; entry !== null; entry = entry.newer) {
      assert.equal(entry.older, chain.at(-1) ?? null);
      chain.push(entry);
    }
    assert.equal(segment!.newest, chain.at(-1));
    assert.deepEqual([chain.length, new Set(chain)], [held.length, new Set<unknown>(held)]);
    assert.equal(segment!.bytes, held.reduce((sum, { bytes }) => sum + bytes, 0));
  }
  const usage = [...memory.usage().values()];
  assert.ok(usage.every((one) => one.entries > 0), "a listener that holds nothing is forgotten");
  const { bytes, entries } = memory.stats();
  assert.equal(usage.reduce((sum, one) => sum + one.bytes, 0), bytes);
  assert.equal(usage.reduce((sum, one) => sum + one.entries, 0), entries);
}

function fill(memory: MemoryTier, listener: string, count: number, from = 0): void {
  for (let n = from; n < from + count; n++) {
    memory.put(sampleResponse(`${listener}\0\0/${n}`, { bodyLength: 4 * KIB }), 0);
  }
}

function keysHeld(memory: MemoryTier, listener: string): number {
  return [...memory.entries()].filter((entry) => entry.key.startsWith(`${listener}\0`)).length;
}

Deno.test("MemoryTier keeps what is in use", () => {
  const memory = createMemoryTier({ limitBytes: 100 * KIB });
  fill(memory, "a", 10);
  for (let n = 0; n < 5; n++) memory.get(`a\0\0/${n}`);
  fill(memory, "a", 16, 10);
  for (let n = 0; n < 5; n++) assert.ok(memory.get(`a\0\0/${n}`), `entry ${n} was in use`);
  assert.ok(memory.stats().evictions > 0);
});

Deno.test("MemoryTier is not flushed by a scan", () => {
  const memory = createMemoryTier({ limitBytes: 400 * KIB });
  fill(memory, "a", 50);
  for (let n = 0; n < 50; n++) memory.get(`a\0\0/${n}`);
  fill(memory, "a", 5000, 1000);
  let kept = 0;
  for (let n = 0; n < 50; n++) if (memory.peek(`a\0\0/${n}`)) kept++;
  assert.ok(kept >= 45, `a scan left ${kept} of 50 entries in use`);
});

Deno.test("MemoryTier gives each listener its guaranteed share", () => {
  const memory = createMemoryTier({ limitBytes: 800 * KIB, guaranteedShare: 0.5 });
  fill(memory, "quiet", 60);
  fill(memory, "busy", 3000);
  for (let n = 0; n < 3000; n++) memory.get(`busy\0\0/${n}`);
  fill(memory, "busy", 3000, 5000);
  const { bytes } = memory.usage().get("quiet")!;
  assert.ok(bytes > 180 * KIB && bytes <= 210 * KIB, `${bytes} bytes are left of a guaranteed 200 KiB`);
  assert.ok(countedBytes(memory) <= 800 * KIB);
});

Deno.test("MemoryTier lets one listener use what others do not hold", () => {
  const memory = createMemoryTier({ limitBytes: 800 * KIB });
  fill(memory, "one", 1);
  fill(memory, "two", 1000);
  assert.ok(memory.usage().get("two")!.bytes > 750 * KIB);
  assert.equal(keysHeld(memory, "one"), 1);
});

Deno.test("MemoryTier keeps its sums over many listeners and never goes over its limit", () => {
  const random = seededRandom(7);
  const memory = createMemoryTier({ limitBytes: 300 * KIB });
  for (let step = 0; step < 5000; step++) {
    const key = `listener${Math.floor(random() * 40)}\0\0/${Math.floor(random() * 30)}`;
    const dice = random();
    if (dice < 0.5) memory.put(sampleResponse(key, { bodyLength: Math.floor(random() ** 3 * 30 * KIB) }), 0);
    else if (dice < 0.6) memory.delete(key);
    else assert.ok((memory.get(key)?.key ?? key) === key);
    assert.ok(memory.stats().bytes <= 300 * KIB);
    if (step % 250 === 0) countedBytes(memory);
  }
});

Deno.test("MemoryTier holds what just fits", () => {
  const response = sampleResponse("a\0\0/1");
  const memory = createMemoryTier({ limitBytes: 2 * heldBytes(response.owned()), maxEntryShare: 0.5 });
  for (const key of ["a\0\0/1", "a\0\0/2"]) assert.ok(memory.put(sampleResponse(key), 0));
  const { entries, bytes, limitBytes, evictions } = memory.stats();
  assert.deepEqual([entries, bytes, evictions], [2, limitBytes, 0]);
});

Deno.test("MemoryTier.trim() brings what is held under a lower limit in small steps, and meanwhile nothing is added above it", () => {
  const memory = createMemoryTier({ limitBytes: 30_000 * KIB });
  for (let n = 0; n < 6000; n++) memory.put(sampleResponse(`a\0\0/${n}`, { bodyLength: KIB }), 0);
  const before = memory.stats().entries;
  memory.limit(3_000 * KIB);
  assert.equal(memory.stats().entries, before, "nothing goes at once");
  assert.equal(memory.put(sampleResponse("a\0\0/new"), 0), undefined);
  assert.ok(memory.trim());
  const left = memory.stats().entries;
  assert.ok(before - left >= 500 && before - left <= 1000, `${before - left} went`);
  let steps = 1;
  while (memory.trim()) steps++;
  assert.ok(steps > 4 && countedBytes(memory) <= 3_000 * KIB);
  assert.ok(memory.put(sampleResponse("a\0\0/new"), 0));
  memory.limit(30_000 * KIB);
  fill(memory, "a", 2000, 10_000);
  assert.ok(countedBytes(memory) > 3_000 * KIB);
});

Deno.test("MemoryTier.put() makes room for a large entry where all others are small", () => {
  const memory = createMemoryTier({ limitBytes: 16_000 * KIB });
  for (let n = 0; n < 12_000; n++) memory.put(sampleResponse(`a\0\0/${n}`, { bodyLength: 10 }), 0);
  assert.ok(memory.put(sampleResponse("a\0\0/large", { bodyLength: 1_900 * KIB }), 0));
  assert.ok(countedBytes(memory) <= 16_000 * KIB);
});

Deno.test("MemoryTier holds nothing where its limit is nothing", () => {
  const memory = createMemoryTier({ limitBytes: 0 });
  assert.equal(memory.put(sampleResponse("a\0\0/", { bodyLength: 0 }), 0), undefined);
  assert.deepEqual(memory.stats().entries, 0);
});

Deno.test("createMemoryTier() refuses limits that make no sense", () => {
  assert.throws(() => createMemoryTier({ limitBytes: NaN }), RangeError);
  assert.throws(() => createMemoryTier({ limitBytes: 1, maxEntryShare: 2 }), RangeError);
  assert.throws(() => createMemoryTier({ limitBytes: 1, guaranteedShare: 1 }), RangeError);
  assert.throws(() => createMemoryTier({ limitBytes: 1, guaranteedShare: -0.1 }), RangeError);
  assert.throws(() => createMemoryTier({ limitBytes: 1, maxEntryShare: 0 }), RangeError);
  createMemoryTier({ limitBytes: 0, maxEntryShare: 1, guaranteedShare: 0 });
  createMemoryTier({ limitBytes: 1, guaranteedShare: 0.8 });
});

Deno.test("MemoryTier.put() does not keep the buffer behind a view of it", () => {
  const memory = createMemoryTier({ limitBytes: 1000 * KIB });
  const body = new Uint8Array(10_000_000).subarray(5, 1005);
  const { response } = memory.put(sampleResponse("a\0\0/").with({ body }), 0)!;
  assert.equal(response.body.buffer.byteLength, response.headBytes + 1000);
});

for (const [chance, random] of [["none", () => 0], ["any", seededRandom(3)], ["all", () => 0.999_999]] as const) {
  Deno.test(`MemoryTier holds what was put last, within its limit, and its order is sound, with luck for ${chance}`, () => {
    const dice = seededRandom(7);
    const memory = createMemoryTier({ limitBytes: 200 * KIB, guaranteedShare: 0.8, random });
    const put = new Map<string, unknown>();
    let limitBytes = 200 * KIB;
    for (let step = 0; step < 10_000; step++) {
      const key = `listener-${Math.floor(dice() ** 3 * 30)}\0\0/${Math.floor(dice() ** 2 * 120)}`;
      const { bytes: bytesBefore } = memory.stats();
      const which = dice();
      if (which < 0.5) {
        const bodyLength = which < 0.02 ? 0 : Math.floor(dice() * (which < 0.06 ? 60_000 : 3000));
        const kept = memory.put(sampleResponse(key, { bodyLength }), 0);
        assert.equal(memory.peek(key), kept);
        put.set(key, kept?.response);
      } else if (which < 0.9) {
        const found = memory.get(key);
        if (found !== undefined) assert.equal(found.response, put.get(key));
      } else if (which < 0.95) {
        const isHeld = memory.peek(key) !== undefined;
        assert.equal(memory.delete(key), isHeld);
        assert.equal(memory.peek(key), undefined);
      } else if (which < 0.96) {
        limitBytes = [0, 1, 500, 50 * KIB, 200 * KIB, 1000 * KIB][Math.floor(dice() * 6)]!;
        memory.limit(limitBytes);
      } else {
        assert.equal(memory.trim(), memory.stats().bytes > limitBytes);
      }
      assert.ok(memory.stats().bytes <= Math.max(limitBytes, bytesBefore));
      if (step % 100 === 0) assertSound(memory);
    }
    memory.limit(0);
    while (memory.trim());
    assert.deepEqual([memory.stats().entries, memory.stats().bytes, memory.usage().size], [0, 0, 0]);
  });
}
