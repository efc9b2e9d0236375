import assert from "node:assert/strict";
import { allowedSumBytes, SumChanges, sumOf } from "../../../lib/cache/disk/_kv_sums.ts";
import { openKvForTest } from "./opened_kv.ts";

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
