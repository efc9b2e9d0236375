import assert from "node:assert/strict";
import { auditRows } from "./disk/audited_rows.ts";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { newPurge, PurgeTable } from "../../lib/cache/purge/purge_table.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import { varyMarker } from "../../lib/cache/variants.ts";
import { MapTier } from "./disk/map_tier.ts";
import { openKvForTest } from "./disk/opened_kv.ts";
import { assertNothing, assertSameResponse, sampleResponse, storeSuite } from "./store_suite.ts";

storeSuite({
  name: "tiered store",
  open: async (limitBytes) => {
    const opened = await openKvForTest({ limitBytes });
    const memory = createMemoryTier({ limitBytes: limitBytes / 4 });
    const purges = new PurgeTable();
    return {
      store: createTieredStore({ memory, disk: opened.tier, clock: opened.clock, purges }),
      purges,
      settle: async () => {
        await opened.tier.flush();
        for (const entry of [...memory.entries()]) memory.delete(entry.key);
      },
      heldBytes: async () => {
        await opened.tier.refresh();
        return opened.tier.stats().bytes;
      },
      audit: () => auditRows(opened.kv),
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  },
});

for (const memoryShare of [0, 1 / 4]) {
  storeSuite({
    name: memoryShare === 0 ? "another disk tier" : "tiered store over another disk tier",
    open: (limitBytes) => {
      const disk = new MapTier(limitBytes);
      const memory = createMemoryTier({ limitBytes: limitBytes * memoryShare });
      const purges = new PurgeTable();
      return Promise.resolve({
        store: createTieredStore({ memory, disk, purges }),
        purges,
        settle: () => {
          for (const entry of [...memory.entries()]) memory.delete(entry.key);
          return Promise.resolve();
        },
        heldBytes: () => Promise.resolve(disk.heldBytes()),
        audit: () => Promise.resolve(assert.equal(disk.stats().bytes, disk.heldBytes())),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  });
}

async function openTiers(limitBytes = 1024 * 1024) {
  const opened = await openKvForTest();
  const memory = createMemoryTier({ limitBytes });
  const store = createTieredStore({ memory, disk: opened.tier, clock: opened.clock });
  return { ...opened, memory, store, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

Deno.test("createTieredStore() answers a memory hit at once, without a promise", async () => {
  await using opened = await openTiers();
  opened.store.put(sampleResponse("api\0\0/a"));
  const got = opened.store.get("api\0\0/a");
  assert.ok(got !== undefined && !(got instanceof Promise));
  assert.equal(got.tier, "memory");
});

Deno.test("createTieredStore() brings a disk hit into memory", async () => {
  await using opened = await openTiers();
  opened.store.put(sampleResponse("api\0\0/a"));
  await opened.tier.flush();
  opened.memory.delete("api\0\0/a");
  assert.equal((await opened.store.get("api\0\0/a"))?.tier, "disk");
  assert.equal((await opened.store.get("api\0\0/a"))?.tier, "memory");
});

Deno.test("TieredStore.isPurged() holds what is not stored against the purges since it was asked for", () => {
  const purges = new PurgeTable();
  const store = createTieredStore({ memory: createMemoryTier({ limitBytes: 1024 * 1024 }), disk: null, purges });
  const response = sampleResponse("api\0\0/a", { requestTimeMs: 1_000, responseTimeMs: 1_000 });
  for (const soft of [true, false]) {
    assert.equal(store.isPurged(response.with({ key: `api\0\0/${soft}` })), false);
    purges.add(newPurge({ kind: "url", listener: "api", target: `/${soft}` }, { soft, nowMs: 2_000 }));
    assert.equal(store.isPurged(response.with({ key: `api\0\0/${soft}` })), true);
    assert.equal(store.isPurged(response.with({ key: `api\0\0/${soft}`, requestTimeMs: 2_001 })), false);
  }
  assert.equal(store.isPurged(response), false);
});

Deno.test("TieredStore.isOnItsWay() tells what waits to be written, and nothing else", async () => {
  await using opened = await openKvForTest();
  const memory = createMemoryTier({ limitBytes: 1024 * 1024 });
  const store = createTieredStore({ memory, disk: opened.tier, clock: opened.clock });
  assert.equal(store.isOnItsWay("api\0\0/a"), false);
  store.put(sampleResponse("api\0\0/a"));
  assert.equal(store.isOnItsWay("api\0\0/a"), true);
  await opened.tier.flush();
  assert.equal(store.isOnItsWay("api\0\0/a"), false);
  store.delete("api\0\0/a");
  assert.equal(store.isOnItsWay("api\0\0/a"), false);
  const inMemory = createTieredStore({ memory, disk: null });
  inMemory.put(sampleResponse("api\0\0/b"));
  assert.equal(inMemory.isOnItsWay("api\0\0/b"), false);
});

Deno.test("createTieredStore() keeps a response only in the tiers that it may stay in", async () => {
  await using opened = await openTiers();
  opened.store.put(sampleResponse("api\0\0/disk", { tiers: { memory: false, disk: true } }));
  opened.store.put(sampleResponse("api\0\0/memory", { tiers: { memory: true, disk: false } }));
  await opened.tier.flush();
  assert.equal((await opened.store.get("api\0\0/disk"))?.tier, "disk");
  assert.equal((await opened.store.get("api\0\0/disk"))?.tier, "disk");
  assertNothing(await opened.tier.get("api\0\0/memory"));
  assert.equal((await opened.store.get("api\0\0/memory"))?.tier, "memory");
});

Deno.test("createTieredStore() leaves no older copy in a tier that the new response may not stay in", async () => {
  await using opened = await openTiers();
  opened.store.put(sampleResponse("api\0\0/a"));
  await opened.tier.flush();
  opened.store.put(sampleResponse("api\0\0/a", { version: 2, tiers: { memory: true, disk: false } }));
  opened.memory.delete("api\0\0/a");
  assertNothing(await opened.store.get("api\0\0/a"));
});

Deno.test("createTieredStore() tells the disk tier of entries in use in memory", async () => {
  await using opened = await openTiers();
  opened.store.put(sampleResponse("api\0\0/a"));
  await opened.tier.flush();
  const bucket = async () => {
    for await (const { key } of opened.kv.list({ prefix: ["x"] })) return key[2];
  };
  const before = await bucket();
  opened.store.get("api\0\0/a");
  await opened.tier.flush();
  assert.equal(await bucket(), before);
  opened.clock.advance(4000);
  await opened.tier.refresh();
  opened.store.get("api\0\0/a");
  await opened.tier.flush();
  assert.equal(await bucket(), Number(before) + 4);
  assertSameResponse(await opened.tier.get("api\0\0/a"), sampleResponse("api\0\0/a"));
});

Deno.test("TieredStore.delete() tells the other workers, which forget the key in every tier and tell nobody", async () => {
  await using opened = await openKvForTest();
  const other = await opened.another();
  const told: string[] = [];
  const open = (disk: typeof other) =>
    createTieredStore({
      memory: createMemoryTier({ limitBytes: 1024 * 1024 }),
      disk,
      onDelete: (key) => told.push(key),
    });
  const [here, there] = [open(opened.tier), open(other)];
  here.put(sampleResponse("api\0\0/a"));
  await opened.tier.flush();
  assert.ok(await there.get("api\0\0/a"));
  here.delete("api\0\0/a");
  assert.deepEqual(told, ["api\0\0/a"]);
  there.forget("api\0\0/a");
  assertNothing(await there.get("api\0\0/a"));
  assert.equal(told.length, 1);
});

Deno.test("createTieredStore() finds on disk what another worker has fetched since a purge of its own copy", async () => {
  await using opened = await openKvForTest();
  const purges = new PurgeTable();
  const { clock } = opened;
  const storeOver = (disk: typeof opened.tier) =>
    createTieredStore({ memory: createMemoryTier({ limitBytes: 1024 * 1024 }), disk, clock, purges });
  const one = storeOver(opened.tier);
  const two = storeOver(await opened.another());
  const at = (requestTimeMs: number, version: number) =>
    sampleResponse("api\0\0/a", { requestTimeMs, responseTimeMs: requestTimeMs, version });
  const nowMs = clock.now();
  one.put(at(nowMs, 1));
  await opened.tier.flush();
  assertSameResponse((await two.get("api\0\0/a"))!.response, at(nowMs, 1));
  purges.add({ id: "1", scope: { kind: "all", listener: null }, soft: false, timeMs: nowMs + 1 });
  one.put(at(nowMs + 2, 2));
  await opened.tier.flush();
  const found = await two.get("api\0\0/a");
  assertSameResponse(found!.response, at(nowMs + 2, 2));
  assert.equal((await two.get("api\0\0/a"))?.tier, "memory");
  assertSameResponse((await one.get("api\0\0/a"))!.response, at(nowMs + 2, 2));
});

Deno.test("createTieredStore() answers nothing from disk that is older than what was purged in memory", async () => {
  await using opened = await openTiers();
  const { store, memory, tier, clock } = opened;
  const nowMs = clock.now();
  const purges = new PurgeTable();
  const purging = createTieredStore({ memory, disk: tier, clock, purges });
  store.put(sampleResponse("api\0\0/a", { requestTimeMs: nowMs - 10, responseTimeMs: nowMs - 10 }));
  await tier.flush();
  purging.adopt(sampleResponse("api\0\0/a", { requestTimeMs: nowMs, responseTimeMs: nowMs, tags: ["x"] }));
  purges.add({ id: "1", scope: { kind: "tag", listener: null, tag: "x" }, soft: false, timeMs: nowMs + 1 });
  assertNothing(await purging.get("api\0\0/a"));
});

Deno.test("createTieredStore() removes what it finds purged on disk, and nothing that another worker put there since", async () => {
  await using opened = await openKvForTest();
  const { clock } = opened;
  const purges = new PurgeTable();
  const another = await opened.another();
  const store = createTieredStore({
    memory: createMemoryTier({ limitBytes: 1024 * 1024 }),
    disk: opened.tier,
    clock,
    purges,
  });
  const at = (requestTimeMs: number) => sampleResponse("api\0\0/a", { requestTimeMs, responseTimeMs: requestTimeMs });
  const nowMs = clock.now();
  another.put(at(nowMs));
  await another.flush();
  opened.tier.delete("api\0\0/a", nowMs - 1);
  await opened.tier.flush();
  assertSameResponse((await another.get("api\0\0/a"))!, at(nowMs));
  purges.add({ id: "1", scope: { kind: "all", listener: null }, soft: false, timeMs: nowMs });
  assertNothing(await store.get("api\0\0/a"));
  await opened.tier.flush();
  assertNothing(await another.get("api\0\0/a"));
});

Deno.test("adopt() keeps a marker that leads to more variants than the one that another worker has just fetched", async () => {
  await using opened = await openTiers();
  const marker = (requestTimeMs: number, name = "accept-encoding") =>
    varyMarker("api\0\0/a", sampleResponse("api\0\0/a\0x", { requestTimeMs, selectedBy: [[name, "gzip"]] }));
  const heldAtMs = () => opened.memory.peek("api\0\0/a")?.response.requestTimeMs;
  opened.store.adopt(marker(1000));
  opened.store.adopt(marker(2000));
  assert.equal(heldAtMs(), 1000);
  opened.store.adopt(marker(500));
  assert.equal(heldAtMs(), 500);
  opened.store.adopt(marker(3000, "accept-language"));
  assert.equal(heldAtMs(), 3000, "other names lead elsewhere");
});

Deno.test("takeOver() keeps in all tiers what another gateway has stored, as the purges leave it", async () => {
  const disk = new MapTier(10_000_000);
  const memory = createMemoryTier({ limitBytes: 10_000_000 });
  const purges = new PurgeTable();
  const store = createTieredStore({ memory, disk, purges });
  const taken = sampleResponse("api\0\0/a");
  assertSameResponse(store.takeOver(taken), taken);
  assertSameResponse((await disk.get(taken.key)) ?? undefined, taken);
  const nowMs = taken.requestTimeMs + 1_000;
  purges.add(newPurge({ kind: "url", listener: "api", target: "/hard" }, { soft: false, nowMs }));
  purges.add(newPurge({ kind: "url", listener: "api", target: "/soft" }, { soft: true, nowMs }));
  assertNothing(store.takeOver(sampleResponse("api\0\0/hard")));
  assertNothing(await store.get("api\0\0/hard"));
  assert.equal(store.takeOver(sampleResponse("api\0\0/soft"))?.isPurged, true);
  const earlier = varyMarker("api\0\0/v", sampleResponse("api\0\0/v\0accept:a"));
  const later = earlier.with({ requestTimeMs: earlier.requestTimeMs + 5 });
  store.put(earlier);
  store.takeOver(later);
  assert.equal((await store.get("api\0\0/v"))?.response.requestTimeMs, earlier.requestTimeMs, "it leads to more");
});
