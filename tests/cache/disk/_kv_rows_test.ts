import assert from "node:assert/strict";
import { CHUNK_BYTES } from "../../../lib/cache/disk/_kv_record.ts";
import {
  allowedSumBytes,
  bucketAt,
  bucketStartMs,
  chunkCostBytes,
  chunksCostBytes,
  decodeTransit,
  decodeUse,
  encodeTransit,
  encodeUse,
  entryCostBytes,
  hashOfKey,
  newId,
  rowCostBytes,
  SumChanges,
  sumOf,
} from "../../../lib/cache/disk/_kv_rows.ts";
import { openKvForTest } from "./opened_kv.ts";

Deno.test("hashOfKey() is short for any key and differs for keys that differ", () => {
  const keys = ["", "a", "b", "a\0b", "ü", "x".repeat(16_000), "x".repeat(16_001)];
  assert.equal(new Set(keys.map((key) => hashOfKey(key).toHex())).size, keys.length);
  for (const key of keys) assert.equal(hashOfKey(key).byteLength, 16);
});

Deno.test("newId() comes in the order of time, and of making within a millisecond", () => {
  const ids = [1e12, 1e12, 1e12 + 1, 1e12 + 65_536, 2e12].map((nowMs) => newId(nowMs).toHex());
  assert.deepEqual([...ids].sort(), ids);
});

Deno.test("bucketStartMs() is the time that bucketAt() came from, to the second", () => {
  assert.equal(bucketStartMs(bucketAt(1_000_000_123_456)), 1_000_000_123_000);
});

Deno.test("decodeUse() reads what encodeUse() wrote, and nothing else", () => {
  const use = { costBytes: 2 ** 40, deadAtMs: 1.5e12, storedAtMs: 1e12, bodyLength: 4_000_000_000 };
  const hash = hashOfKey("a");
  assert.deepEqual(decodeUse(encodeUse(hash, use)), { ...use, hash });
  for (const other of [null, "x", new Uint8Array(43), {}]) assert.equal(decodeUse(other), null);
});

Deno.test("decodeTransit() reads what encodeTransit() wrote, and nothing else", () => {
  const transit = { listener: "ü\0", chunks: 3, countedBytes: 99, timeMs: 5 };
  assert.deepEqual(decodeTransit(encodeTransit(transit)), transit);
  for (const other of [null, "x", new Uint8Array([123, 1])]) assert.equal(decodeTransit(other), null);
});

Deno.test("rowCostBytes() counts an overflow page as soon as a row needs one", () => {
  assert.ok(rowCostBytes(20, 1900) < 3000);
  assert.ok(rowCostBytes(20, 2100) > 8192 + 1003);
  assert.ok(rowCostBytes(20, 10_000) > 8192 + 1003 && rowCostBytes(20, 10_000) < 2 * 8192 + 2000);
});

Deno.test("chunkCostBytes() loses next to nothing on a whole chunk", () => {
  assert.ok(chunkCostBytes(CHUNK_BYTES) < CHUNK_BYTES * 1.02);
});

Deno.test("entryCostBytes() is at most 1.1 times a poster's bytes, and holds the chunks' cost as one part", () => {
  for (const bodyLength of [50_000, 100_000, 300_000]) {
    const cost = entryCostBytes("images", 700, bodyLength);
    assert.ok(cost >= bodyLength && cost < bodyLength * 1.1, `${cost} for ${bodyLength}`);
    assert.equal(cost - chunksCostBytes(bodyLength), entryCostBytes("images", 700, 0));
  }
});

const MIB = 1024 * 1024;

Deno.test("SumChanges.addTo() adds and takes away, for all and for each listener", async () => {
  await using opened = await openKvForTest();
  const commit = async (...changes: [listener: string, bytes: number, entries: number][]) => {
    const sums = new SumChanges();
    for (const change of changes) sums.add(...change);
    const atomic = opened.kv.atomic();
    sums.addTo(atomic);
    await atomic.commit();
  };
  await commit(["a", 1000, 1], ["b", 500, 1]);
  await commit(["a", -400, 0], ["b", -500, -1], ["b", 20, 0]);
  const read = async (...key: string[]) => sumOf((await opened.kv.get(key)).value);
  assert.deepEqual(
    [await read("n", "bytes"), await read("n", "entries"), await read("l", "a"), await read("l", "b")],
    [620, 1, 600, 20],
  );
});

Deno.test("SumChanges.isEmpty sees what cancels out, but not between listeners", () => {
  const sums = new SumChanges();
  assert.ok(sums.isEmpty);
  sums.add("a", 5, 0);
  sums.add("b", -5, 0);
  assert.ok(!sums.isEmpty);
  sums.add("a", -5, 0);
  sums.add("b", 5, 0);
  assert.ok(sums.isEmpty);
  sums.correct(0, 1);
  assert.ok(!sums.isEmpty);
});

Deno.test("sumOf() takes a sum that fell below zero for none", () => {
  assert.equal(sumOf(new Deno.KvU64(12n)), 12);
  assert.equal(sumOf(new Deno.KvU64(2n ** 64n - 1n)), 0);
  assert.equal(sumOf(null), 0);
});

Deno.test("allowedSumBytes() leaves the log its part of a small limit and follows the measure of the file", () => {
  const logReserveBytes = 12 * MIB;
  assert.equal(allowedSumBytes({ limitBytes: 1024 * MIB, logReserveBytes }, 0), 1024 * MIB);
  assert.equal(allowedSumBytes({ limitBytes: 64 * MIB, logReserveBytes }, 0), 64 * MIB);
  assert.equal(allowedSumBytes({ limitBytes: 20 * MIB, logReserveBytes }, 0), 12 * MIB);
  assert.equal(allowedSumBytes({ limitBytes: 4 * MIB, logReserveBytes }, 0), MIB);
  assert.equal(allowedSumBytes({ limitBytes: 1024 * MIB, logReserveBytes }, 2_000_000), 512 * MIB);
  assert.equal(allowedSumBytes({ limitBytes: 1024 * MIB, logReserveBytes }, 1), 2048 * MIB);
});
