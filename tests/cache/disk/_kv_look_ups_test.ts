import assert from "node:assert/strict";
import { KvLookUps } from "../../../lib/cache/disk/_kv_look_ups.ts";
import { hashOfKey, recordRow } from "../../../lib/cache/disk/_kv_rows.ts";
import { CountedKv, FaultyKv, type OpenedKv, openKvForTest } from "./opened_kv.ts";
import { sampleResponse } from "../store_suite.ts";

async function openLookUps(options: { readonly timeoutMs?: number; readonly maxReads?: number } = {}) {
  const opened = await openKvForTest();
  opened.tier.put(sampleResponse("a\0\0/", { bodyLength: 50_000 }));
  await opened.tier.flush();
  const faulty = new FaultyKv(opened.kv);
  const bounds = { timeoutMs: 5000, maxReads: 2, maxReadBytes: 1_000_000, ...options };
  const lookUps = new KvLookUps({ kv: faulty.kv, clock: opened.clock, ...bounds });
  return { faulty, lookUps, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

Deno.test("KvLookUps.read() can be joined while it is under way", async () => {
  await using opened = await openLookUps();
  const read = opened.lookUps.read("a\0\0/");
  assert.equal(opened.lookUps.joined("a\0\0/"), read);
  assert.equal(opened.lookUps.joined("a\0\0/other"), undefined);
  assert.equal((await read).kind, "found");
  assert.equal(opened.lookUps.joined("a\0\0/"), undefined);
});

Deno.test("KvLookUps.supersede() makes what is being read absent, and nobody joins it", async () => {
  await using opened = await openLookUps();
  const read = opened.lookUps.read("a\0\0/");
  opened.lookUps.supersede("a\0\0/");
  assert.equal(opened.lookUps.joined("a\0\0/"), undefined);
  assert.equal((await read).kind, "absent");
  assert.equal((await opened.lookUps.read("a\0\0/")).kind, "found");
});

Deno.test("KvLookUps.hasRoom counts a read that hangs, past its time too", async () => {
  await using opened = await openLookUps({ timeoutMs: 10, maxReads: 2 });
  opened.faulty.fault = "hang";
  await assert.rejects(opened.lookUps.read("a\0\0/"), /no answer within 10 ms/);
  assert.ok(opened.lookUps.hasRoom);
  await assert.rejects(opened.lookUps.read("a\0\0/"), /no answer/);
  assert.ok(!opened.lookUps.hasRoom);
});

Deno.test("KvLookUps.read() passes on what KV says, and its place is free again", async () => {
  await using opened = await openLookUps({ maxReads: 1 });
  opened.faulty.fault = new Error("disk I/O error");
  await assert.rejects(opened.lookUps.read("a\0\0/"), /disk I\/O error/);
  assert.ok(opened.lookUps.hasRoom);
});

/** Look-ups over a file with these entries, and the reads that they make. */
async function lookUpsOf(
  opened: OpenedKv,
  lengths: Readonly<Record<string, number>>,
  { kv = opened.kv, maxReadBytes = 10_000_000 }: { readonly kv?: Deno.Kv; readonly maxReadBytes?: number } = {},
) {
  for (const [path, bodyLength] of Object.entries(lengths)) {
    opened.tier.put(sampleResponse(`a\0\0/${path}`, { bodyLength }));
  }
  await opened.tier.flush();
  const counted = new CountedKv(kv);
  const lookUps = new KvLookUps({
    kv: counted.kv,
    clock: opened.clock,
    timeoutMs: 60_000,
    maxReads: 512,
    maxReadBytes,
  });
  const read = async (...paths: string[]) => {
    counted.reads = 0;
    const outcomes = await Promise.allSettled(paths.map((path) => lookUps.read(`a\0\0/${path}`)));
    return {
      reads: counted.reads,
      kinds: outcomes.map((one) => one.status === "fulfilled" ? one.value.kind : "failed"),
    };
  };
  return { lookUps, read };
}

Deno.test("KvLookUps.read() reads 1 KB in one call, 100 KB in two, and 1 MB in two round trips", async () => {
  await using opened = await openKvForTest();
  const { read } = await lookUpsOf(opened, { small: 1000, medium: 100_000, large: 1_000_000 });
  for (const [path, reads] of [["small", 1], ["medium", 2], ["large", 3]] as const) {
    assert.deepEqual(await read(path), { reads, kinds: ["found"] });
  }
});

Deno.test("KvLookUps.read() shares reads between the look-ups of one turn, and gives each its own outcome", async () => {
  await using opened = await openKvForTest();
  const paths = Array.from({ length: 24 }, (_, n) => `${n}`);
  const { read } = await lookUpsOf(opened, Object.fromEntries(paths.map((path) => [path, 500])));
  await opened.kv.set(recordRow(hashOfKey("a\0\0/7")), new Uint8Array([3, 0, 0]));
  const { reads, kinds } = await read(...paths, "none");
  assert.equal(reads, 4, "three for 25 records, one more look at the damaged one");
  assert.deepEqual(kinds, [...paths.map((path) => path === "7" ? "corrupt" : "found"), "absent"]);
});

Deno.test("KvLookUps.read() shares reads between the chunks of several bodies", async () => {
  await using opened = await openKvForTest();
  const { read } = await lookUpsOf(opened, { a: 100_000, b: 100_000, c: 100_000, d: 100_000, e: 300 });
  assert.deepEqual(await read("a", "b", "c", "d", "e"), { reads: 2, kinds: Array(5).fill("found") });
});

Deno.test("KvLookUps.read() reads rows one by one where they cannot be read together, and only the damaged one fails", async () => {
  await using opened = await openKvForTest();
  const damaged = recordRow(hashOfKey("a\0\0/1"));
  const isDamaged = (row: Deno.KvKey) => (row[1] as Uint8Array).toHex() === (damaged[1] as Uint8Array).toHex();
  const failing = new Proxy(opened.kv, {
    get: (target, name) => {
      if (name === "getMany") return () => Promise.reject(new Error("database disk image is malformed"));
      if (name === "get") {
        return (row: Deno.KvKey) => isDamaged(row) ? Promise.reject(new Error("malformed")) : target.get(row);
      }
      return Reflect.get(target, name, target);
    },
  });
  const { read } = await lookUpsOf(opened, { 0: 10, 1: 10, 2: 10 }, { kv: failing });
  assert.deepEqual(await read("0", "1", "2"), { reads: 4, kinds: ["found", "failed", "found"] });
});

Deno.test("KvLookUps.read() of a later turn does not wait for reads under way", async () => {
  await using opened = await openKvForTest();
  const faulty = new FaultyKv(opened.kv);
  const { lookUps, read } = await lookUpsOf(opened, { a: 10, b: 10, c: 10 }, { kv: faulty.kv });
  const answer = Promise.withResolvers<void>();
  faulty.fault = answer.promise;
  const early = ["a", "b"].map((path) => lookUps.read(`a\0\0/${path}`));
  await Promise.resolve();
  faulty.fault = null;
  assert.deepEqual(await read("c"), { reads: 1, kinds: ["found"] });
  answer.resolve();
  assert.deepEqual((await Promise.all(early)).map(({ kind }) => kind), ["found", "found"]);
});

Deno.test("KvLookUps.read() answers the newer entry where the one it began to read is replaced", async () => {
  await using opened = await openKvForTest();
  let calls = 0;
  const late = new Proxy(opened.kv, {
    get: (target, name) => {
      if (name !== "getMany") return Reflect.get(target, name, target).bind(target);
      return async (rows: Deno.KvKey[]) => {
        if (++calls === 1) {
          opened.tier.put(sampleResponse("a\0\0/x", { version: 2, bodyLength: 100_000 }));
          await opened.tier.flush();
        }
        return await target.getMany(rows);
      };
    },
  });
  const { lookUps } = await lookUpsOf(opened, { x: 100_000 }, { kv: late });
  const outcome = await lookUps.read("a\0\0/x");
  assert.deepEqual(outcome.kind === "found" && outcome.response.fields[1], ["etag", '"2"']);
});

Deno.test("KvLookUps.read() does not answer another key's response, should two keys have one hash", async () => {
  await using opened = await openKvForTest();
  const { read } = await lookUpsOf(opened, { one: 10 });
  const { value } = await opened.kv.get(recordRow(hashOfKey("a\0\0/one")));
  await opened.kv.set(recordRow(hashOfKey("a\0\0/two")), value);
  assert.deepEqual((await read("two")).kinds, ["absent"]);
});

Deno.test("KvLookUps.read() does not read a body that there is no room for", async () => {
  await using opened = await openKvForTest();
  const { read } = await lookUpsOf(opened, { a: 100_000 }, { maxReadBytes: 99_999 });
  assert.deepEqual(await read("a"), { reads: 1, kinds: ["absent"] });
});

Deno.test("KvLookUps.read() does not read what another version has written, and a put replaces it", async () => {
  await using opened = await openKvForTest();
  const row = recordRow(hashOfKey("a\0\0/old"));
  for (const versionAt of [0, 35]) {
    const { read } = await lookUpsOf(opened, { old: 10 });
    const value = new Uint8Array((await opened.kv.get<Uint8Array>(row)).value!);
    value[versionAt] = versionAt === 0 ? 1 : 9;
    await opened.kv.set(row, value);
    assert.deepEqual((await read("old")).kinds, ["absent"]);
    opened.tier.put(sampleResponse("a\0\0/old", { version: 2 }));
    await opened.tier.flush();
    assert.deepEqual((await read("old")).kinds, ["found"]);
  }
});
