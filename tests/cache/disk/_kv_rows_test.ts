import assert from "node:assert/strict";
import { CHUNK_BYTES } from "../../../lib/cache/disk/_kv_record.ts";
import {
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
} from "../../../lib/cache/disk/_kv_rows.ts";

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
