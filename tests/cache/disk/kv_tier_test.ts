import assert from "node:assert/strict";
import { auditRows } from "./audited_rows.ts";
import { createMemoryTier } from "../../../lib/cache/memory/memory_tier.ts";
import { PurgeTable } from "../../../lib/cache/purge/purge_table.ts";
import { createTieredStore } from "../../../lib/cache/tiered_store.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { DiskFilter, newDiskFilterMemory } from "../../../lib/cache/disk/disk_filter.ts";
import { KvFilterKeeper } from "../../../lib/cache/disk/kv_filter_keeper.ts";
import { CountedKv, FaultyKv, type OpenedKv, openKvForTest, rowCounts } from "./opened_kv.ts";
import { assertNothing, assertSameResponse, sampleResponse, storeSuite } from "../store_suite.ts";

for (const isFiltered of [false, true]) {
  storeSuite({
    name: isFiltered ? "KV tier behind a filter" : "KV tier",
    open: async (limitBytes) => {
      const memory = newDiskFilterMemory(limitBytes);
      const opened = await openKvForTest(
        isFiltered ? { limitBytes, filter: new DiskFilter(memory, 0) } : { limitBytes },
      );
      await buildFilter(opened, memory);
      const purges = new PurgeTable();
      return {
        store: createTieredStore({ memory: createMemoryTier({ limitBytes: 0 }), disk: opened.tier, purges }),
        purges,
        settle: () => opened.tier.flush(),
        heldBytes: async () => {
          await opened.tier.refresh();
          return opened.tier.stats().bytes;
        },
        audit: () => auditRows(opened.kv),
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
      };
    },
  });
}

async function found(got: StoredResponse | undefined | Promise<StoredResponse | undefined>) {
  return await got;
}

Deno.test("KvTier.get() finds after reopening what was written before", async () => {
  await using opened = await openKvForTest();
  const response = sampleResponse("api\0\0/a", { bodyLength: 300_000 });
  opened.tier.put(response);
  await opened.tier.close(5000);
  const second = await opened.another();
  assertSameResponse(await found(second.get("api\0\0/a")), response);
});

Deno.test("KvTier.get() does not answer an entry past its stale windows and keep time, and removes it", async () => {
  await using opened = await openKvForTest({ keepMs: 5000 });
  const freshness = { ...sampleResponse("").freshness, lifetimeMs: 1000, initialAgeMs: 0, staleIfErrorMs: 2000 };
  opened.tier.put(sampleResponse("api\0\0/a", { freshness, responseTimeMs: opened.clock.now() }));
  await opened.tier.flush();
  opened.clock.advance(7999);
  assert.ok(await found(opened.tier.get("api\0\0/a")));
  opened.clock.advance(1);
  assertNothing(await found(opened.tier.get("api\0\0/a")));
  await opened.tier.flush();
  assert.deepEqual(await rowCounts(opened.kv), { n: 3, l: 1 });
});

Deno.test("KvTier.get() takes any changed byte for damage: a miss, counted, its space freed", async () => {
  await using opened = await openKvForTest();
  const lengths = [500, 100_000];
  for (const bodyLength of lengths) {
    const response = sampleResponse("api\0\0/a", { bodyLength });
    opened.tier.put(response);
    await opened.tier.flush();
    for await (const { key, value } of opened.kv.list<Uint8Array>({ prefix: bodyLength > 16_000 ? ["b"] : ["r"] })) {
      const damaged = new Uint8Array(value);
      damaged[damaged.length >> 1]! ^= 1;
      await opened.kv.set(key, damaged);
      break;
    }
    const corrupt = opened.tier.stats().corrupt;
    assertNothing(await found(opened.tier.get("api\0\0/a")));
    assert.equal(opened.tier.stats().corrupt, corrupt + 1);
    await opened.tier.flush();
    assert.equal((await rowCounts(opened.kv)).r, undefined);
  }
  assert.equal(opened.log.lines.length, 1, "one warning a minute at most");
});

Deno.test("KvTier.get() takes a missing chunk for damage", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("api\0\0/a", { bodyLength: 200_000 }));
  await opened.tier.flush();
  for await (const { key } of opened.kv.list({ prefix: ["b"] }, { limit: 1 })) await opened.kv.delete(key);
  assertNothing(await found(opened.tier.get("api\0\0/a")));
  await opened.tier.flush();
  assert.deepEqual(await rowCounts(opened.kv), { n: 3, l: 1 });
});

Deno.test("KvTier.get() takes a record of another version for a miss, and a put replaces it", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("api\0\0/a"));
  await opened.tier.flush();
  for await (const { key, value } of opened.kv.list<Uint8Array>({ prefix: ["r"] })) {
    const other = new Uint8Array(value);
    other[0] = 99;
    await opened.kv.set(key, other);
  }
  assertNothing(await found(opened.tier.get("api\0\0/a")));
  assert.equal(opened.tier.stats().corrupt, 0);
  opened.tier.put(sampleResponse("api\0\0/a", { version: 2 }));
  await opened.tier.flush();
  assertSameResponse(await found(opened.tier.get("api\0\0/a")), sampleResponse("api\0\0/a", { version: 2 }));
});

Deno.test("KvTier shows one worker what another wrote, replaced and deleted", async () => {
  await using opened = await openKvForTest();
  const other = await opened.another();
  opened.tier.put(sampleResponse("api\0\0/a", { bodyLength: 900_000 }));
  await opened.tier.flush();
  assert.ok(await found(other.get("api\0\0/a")));
  other.put(sampleResponse("api\0\0/a", { version: 2, bodyLength: 70_000 }));
  await other.flush();
  assertSameResponse(
    await found(opened.tier.get("api\0\0/a")),
    sampleResponse("api\0\0/a", { version: 2, bodyLength: 70_000 }),
  );
  opened.tier.delete("api\0\0/a");
  await opened.tier.flush();
  assertNothing(await found(other.get("api\0\0/a")));
});

Deno.test("KvTier of several workers keep one limit and one set of sums", async () => {
  const limitBytes = 4 * 1024 * 1024;
  await using opened = await openKvForTest({ limitBytes });
  const tiers = [opened.tier, await opened.another(), await opened.another()];
  for (let n = 0; n < 100; n++) {
    for (const [worker, tier] of tiers.entries()) {
      tier.put(
        sampleResponse(`api\0\0/${n % 40}/${n % 2 === 0 ? worker : "same"}`, { bodyLength: 30_000, version: worker }),
      );
    }
    if (n % 10 === 0) await Promise.all(tiers.map((tier) => tier.flush()));
  }
  await Promise.all(tiers.map((tier) => tier.flush()));
  await opened.tier.refresh();
  assert.ok(opened.tier.stats().bytes <= limitBytes * 1.1, `${opened.tier.stats().bytes} bytes held`);
  await auditRows(opened.kv);
});

Deno.test("KvTier evicts what was used longest ago, and a touch counts as a use", async () => {
  const limitBytes = 2 * 1024 * 1024;
  await using opened = await openKvForTest({ limitBytes });
  for (let n = 0; n < 30; n++) opened.tier.put(sampleResponse(`api\0\0/${n}`, { bodyLength: 30_000 }));
  await opened.tier.flush();
  opened.clock.advance(5000);
  for (let n = 0; n < 10; n++) opened.tier.touch(`api\0\0/${n}`);
  await opened.tier.flush();
  for (let n = 100; n < 148; n++) opened.tier.put(sampleResponse(`api\0\0/${n}`, { bodyLength: 30_000 }));
  await opened.tier.flush();
  for (let n = 0; n < 10; n++) assert.ok(await found(opened.tier.get(`api\0\0/${n}`)), `entry ${n} was in use`);
  for (let n = 10; n < 22; n++) assertNothing(await found(opened.tier.get(`api\0\0/${n}`)));
  assert.ok(opened.tier.stats().evictions >= 10);
});

Deno.test("KvTier.put() drops writes over the queue's bounds, and what they replace", async () => {
  await using opened = await openKvForTest({ queueBytes: 100_000 });
  opened.tier.put(sampleResponse("api\0\0/big", { bodyLength: 10 }));
  await opened.tier.flush();
  for (let n = 0; n < 20; n++) opened.tier.put(sampleResponse(`api\0\0/${n}`, { bodyLength: 10_000 }));
  opened.tier.put(sampleResponse("api\0\0/big", { bodyLength: 200_000 }));
  assert.ok(opened.tier.stats().droppedWrites >= 10);
  await opened.tier.flush();
  assertNothing(await found(opened.tier.get("api\0\0/big")));
});

Deno.test("KvTier answers a miss and warns once while KV fails, and stores again when it works", async () => {
  await using opened = await openKvForTest();
  const faulty = new FaultyKv(opened.kv);
  const tier = await opened.another({ kv: faulty.kv });
  tier.put(sampleResponse("api\0\0/old"));
  await tier.flush();
  faulty.fault = new Error("database or disk is full");
  for (let n = 0; n < 5; n++) assertNothing(await found(tier.get(`api\0\0/${n}`)));
  tier.put(sampleResponse("api\0\0/old", { version: 2 }));
  await tier.flush();
  assert.equal(opened.log.lines.length, 2, "one line for reading and one for writing");
  assert.match(tier.problem ?? "", /disk is full/);
  assert.equal(tier.stats().droppedWrites, 1);
  faulty.fault = null;
  opened.clock.advance(60_000);
  assertNothing(await found(tier.get("api\0\0/old")));
  await opened.until(() => tier.stats().queuedWrites === 0);
  assertNothing(await found(tier.get("api\0\0/old")));
  assert.equal(tier.problem, null);
  tier.put(sampleResponse("api\0\0/new"));
  await tier.flush();
  assertSameResponse(await found(opened.tier.get("api\0\0/new")), sampleResponse("api\0\0/new"));
});

Deno.test("KvTier.get() is a miss where KV does not answer in time, and leaves KV alone after a few of these", async () => {
  await using opened = await openKvForTest();
  const faulty = new FaultyKv(opened.kv);
  const tier = await opened.another({ kv: faulty.kv, readTimeoutMs: 20 });
  faulty.fault = "hang";
  for (let n = 0; n < 3; n++) assertNothing(await found(tier.get(`api\0\0/${n}`)));
  assert.equal(tier.get("api\0\0/3"), undefined, "still asks");
  faulty.fault = null;
  opened.clock.advance(1000);
  opened.tier.put(sampleResponse("api\0\0/3"));
  await opened.tier.flush();
  assertSameResponse(await found(tier.get("api\0\0/3")), sampleResponse("api\0\0/3"));
});

Deno.test("KvTier stops storing while the disk is nearly full, and goes on serving", async () => {
  await using opened = await openKvForTest();
  let free = 1_000_000_000;
  const tier = await opened.another({ freeBytes: () => free, minFreeBytes: 500_000_000 });
  tier.put(sampleResponse("api\0\0/a"));
  tier.put(sampleResponse("api\0\0/b"));
  await tier.flush();
  free = 400_000_000;
  opened.clock.advance(5000);
  tier.put(sampleResponse("api\0\0/b", { version: 2 }));
  tier.put(sampleResponse("api\0\0/c"));
  await tier.flush();
  assertSameResponse(await found(tier.get("api\0\0/a")), sampleResponse("api\0\0/a"));
  assertNothing(await found(tier.get("api\0\0/b")));
  assertNothing(await found(tier.get("api\0\0/c")));
  assert.equal(tier.stats().droppedWrites, 2);
  assert.match(tier.problem ?? "", /free space/);
  assert.equal(opened.log.lines.length, 1);
  free = 600_000_000;
  opened.clock.advance(5000);
  tier.put(sampleResponse("api\0\0/c"));
  await tier.flush();
  assertSameResponse(await found(tier.get("api\0\0/c")), sampleResponse("api\0\0/c"));
});

Deno.test("KvTier says once it finds out that the file is damaged", async () => {
  await using opened = await openKvForTest();
  const faulty = new FaultyKv(opened.kv);
  let damages = 0;
  const tier = await opened.another({ kv: faulty.kv, onDamage: () => damages++ });
  faulty.fault = new Error("database disk image is malformed");
  assertNothing(await found(tier.get("api\0\0/a")));
  assert.equal(damages, 1);
});

Deno.test("KvTier.close() does not wait longer than its grace", async () => {
  await using opened = await openKvForTest();
  const faulty = new FaultyKv(opened.kv);
  const tier = await opened.another({ kv: faulty.kv });
  faulty.fault = "hang";
  tier.put(sampleResponse("api\0\0/a"));
  // What it waits for never comes.
  await tier.close(50);
});

Deno.test("KvTier leaves each listener its guaranteed share", async () => {
  await using opened = await openKvForTest({ limitBytes: 4 * 1024 * 1024 });
  for (let n = 0; n < 40; n++) opened.tier.put(sampleResponse(`quiet\0\0/${n}`, { bodyLength: 30_000 }));
  await opened.tier.flush();
  opened.clock.advance(10_000);
  for (let n = 0; n < 300; n++) {
    opened.tier.put(sampleResponse(`busy\0\0/${n}`, { bodyLength: 30_000 }));
    if (n % 50 === 0) await opened.tier.flush();
  }
  await opened.tier.flush();
  let kept = 0;
  for (let n = 0; n < 40; n++) if (await found(opened.tier.get(`quiet\0\0/${n}`)) !== undefined) kept++;
  assert.ok(kept >= 28 && kept <= 34, `${kept} entries are left of a guaranteed 1 MiB`);
  assert.ok(await found(opened.tier.get("busy\0\0/299")), "the busy listener makes room at its own cost");
  assert.equal(opened.tier.stats().droppedWrites, 0);
});

Deno.test("KvTier.usage() tells what each listener holds", async () => {
  await using opened = await openKvForTest();
  opened.tier.put(sampleResponse("one\0\0/a", { bodyLength: 50_000 }));
  opened.tier.put(sampleResponse("two\0\0/a", { bodyLength: 10 }));
  await opened.tier.flush();
  const usage = await opened.tier.usage();
  await opened.tier.refresh();
  assert.deepEqual([...usage.keys()].sort(), ["one", "two"]);
  assert.equal(usage.get("one")! + usage.get("two")!, opened.tier.stats().bytes);
});

Deno.test("KvTier keeps a listener within its quota, at its own cost", async () => {
  await using opened = await openKvForTest();
  const tier = await opened.another({ quotaBytes: (listener) => listener === "small" ? 500_000 : null });
  for (let n = 0; n < 30; n++) tier.put(sampleResponse(`large\0\0/${n}`, { bodyLength: 30_000 }));
  await tier.flush();
  for (let n = 0; n < 60; n++) {
    tier.put(sampleResponse(`small\0\0/${n}`, { bodyLength: 30_000 }));
    if (n % 7 === 0) await tier.flush();
  }
  await tier.flush();
  const usage = await tier.usage();
  assert.ok(usage.get("small")! <= 500_000 && usage.get("small")! > 400_000, `${usage.get("small")} bytes held`);
  assert.ok(await found(tier.get("small\0\0/59")));
  for (let n = 0; n < 30; n++) assert.ok(await found(tier.get(`large\0\0/${n}`)));
  tier.put(sampleResponse("small\0\0/59", { version: 2, bodyLength: 600_000 }));
  await tier.flush();
  assertNothing(await found(tier.get("small\0\0/59")));
  assert.ok(await found(tier.get("small\0\0/58")), "what can never fit does not flush the rest");
  await auditRows(opened.kv);
});

Deno.test("KvTier.get() brings no more bytes of bodies into memory at once than it may", async () => {
  await using opened = await openKvForTest({ readBytes: 1_000_000 });
  for (let n = 0; n < 5; n++) opened.tier.put(sampleResponse(`api\0\0/${n}`, { bodyLength: 400_000 }));
  await opened.tier.flush();
  const tier = await opened.another();
  const read = await Promise.all([0, 1, 2, 3, 4].map((n) => tier.get(`api\0\0/${n}`)));
  assert.equal(read.filter((response) => response !== undefined).length, 2);
  assert.ok(await found(tier.get("api\0\0/4")), "the room is given back");
});

/** A tier with a filter over the file, as the worker of an index has it, and what it reads. */
Deno.test("a KV tier writes what the filter does not know without a read before it, and two writers at once lose nothing", async () => {
  await using opened = await openKvForTest();
  const memory = newDiskFilterMemory(2 ** 20);
  await buildFilter(opened, memory);
  const [one, two] = [new CountedKv(opened.kv), new CountedKv(opened.kv)];
  const tiers = [
    await opened.another({ writeKv: one.kv, filter: new DiskFilter(memory, 0) }),
    await opened.another({ writeKv: two.kv, filter: new DiskFilter(memory, 1) }),
  ];
  for (let n = 0; n < 20; n++) tiers[0]!.put(sampleResponse(`api\0\0/${n}`, { bodyLength: 10 }));
  await tiers[0]!.flush();
  assert.equal(one.reads, 1, "the sums alone are read");
  // Both take the keys for new; the one that commits later finds out.
  for (const tier of tiers) {
    for (let n = 100; n < 130; n++) tier.put(sampleResponse(`api\0\0/${n}`, { bodyLength: 10 }));
  }
  await Promise.all(tiers.map((tier) => tier.flush()));
  assert.equal((await rowCounts(opened.kv)).r, 50);
  await auditRows(opened.kv);
});

async function filteredTier(opened: OpenedKv, memory: SharedArrayBuffer, index = 0) {
  const counted = new CountedKv(opened.kv);
  const filter = new DiskFilter(memory, index);
  return { tier: await opened.another({ kv: counted.kv, writeKv: opened.kv, filter }), counted };
}

async function buildFilter({ kv, clock, log }: OpenedKv, memory: SharedArrayBuffer): Promise<void> {
  const keeper = new KvFilterKeeper({ kv, memory, clock, log });
  while (await keeper.step());
}

/** Of a response, a marker of variants, a variant, a part, a coded form and an index. */
const KINDS = ["a", "a\0accept-language:de", "a\0accept-language", "a~part", "a~br", "a~index"].map((end) =>
  `api\0\0/${end}`
);

Deno.test("KvTier.get() reads nothing where the filter knows that there is nothing, and answers at once", async () => {
  await using opened = await openKvForTest();
  const memory = newDiskFilterMemory(1);
  const [one, other] = [await filteredTier(opened, memory), await filteredTier(opened, memory, 1)];
  await buildFilter(opened, memory);
  for (const key of KINDS) assert.equal(one.tier.get(key), undefined);
  assert.deepEqual([one.counted.reads, one.tier.stats().sparedReads, one.tier.stats().emptyReads], [
    0,
    KINDS.length,
    0,
  ]);
  for (const key of KINDS) one.tier.put(sampleResponse(key));
  await one.tier.flush();
  for (const key of KINDS) assertSameResponse(await found(other.tier.get(key)), sampleResponse(key));
  assert.equal(other.counted.reads, KINDS.length);
  other.tier.delete(KINDS[0]!);
  await other.tier.flush();
  assertNothing(await found(one.tier.get(KINDS[0]!)));
  assert.deepEqual([one.counted.reads, one.tier.stats().emptyReads], [1, 1], "a removal takes no mark back");
});

Deno.test("KvTier.get() asks the file until the filter is built anew over what was there before, then for that alone", async () => {
  await using opened = await openKvForTest();
  for (let n = 0; n < 700; n++) opened.tier.put(sampleResponse(`api\0\0/${n}`));
  await opened.tier.flush();
  const memory = newDiskFilterMemory(1);
  const { tier, counted } = await filteredTier(opened, memory);
  assertNothing(await found(tier.get("api\0\0/none")));
  assert.deepEqual([counted.reads, tier.stats().emptyReads], [1, 1]);
  await buildFilter(opened, memory);
  for (let n = 1000; n < 1100; n++) assert.equal(tier.get(`api\0\0/${n}`), undefined);
  assert.equal(counted.reads, 1);
  for (let n = 0; n < 700; n++) {
    assertSameResponse(await found(tier.get(`api\0\0/${n}`)), sampleResponse(`api\0\0/${n}`));
  }
});

Deno.test("KvTier.get() finds what waits to be written and was marked nowhere yet", async () => {
  await using opened = await openKvForTest();
  const memory = newDiskFilterMemory(1);
  await buildFilter(opened, memory);
  const faulty = new FaultyKv(opened.kv);
  const tier = await opened.another({ kv: faulty.kv, filter: new DiskFilter(memory, 0) });
  faulty.fault = "hang";
  for (const key of ["a", "b"]) {
    tier.put(sampleResponse(key));
    assertSameResponse(await found(tier.get(key)), sampleResponse(key));
  }
});

Deno.test("KvTier.delete() writes nothing for what the file does not hold, and removes what waits", async () => {
  await using opened = await openKvForTest();
  const memory = newDiskFilterMemory(1);
  await buildFilter(opened, memory);
  const { tier } = await filteredTier(opened, memory);
  tier.delete("api\0\0/none");
  assert.equal(tier.stats().queuedWrites, 0);
  tier.put(sampleResponse("api\0\0/a"));
  tier.delete("api\0\0/a");
  assertNothing(await found(tier.get("api\0\0/a")));
  await tier.flush();
  tier.put(sampleResponse("api\0\0/b"));
  await tier.flush();
  tier.delete("api\0\0/b");
  await tier.flush();
  assertNothing(await found(opened.tier.get("api\0\0/a")));
  assertNothing(await found(opened.tier.get("api\0\0/b")));
  await auditRows(opened.kv);
});
