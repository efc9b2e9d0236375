import assert from "node:assert/strict";
import { INVALIDATION_BYTES, InvalidationTable } from "../../../lib/cache/flights/invalidation_table.ts";
import { LEASE_BYTES, LeaseTable, newLeaseMemory, sweepLeases } from "../../../lib/cache/flights/lease_table.ts";

Deno.test("InvalidationTable tells every worker what was asked for too early", () => {
  const memory = newLeaseMemory();
  const [one, two] = [new InvalidationTable(memory, LEASE_BYTES), new InvalidationTable(memory, LEASE_BYTES)];
  assert.equal(one.since("l\0\0/a", 0), false);
  one.add("l\0\0/a", 1000);
  assert.deepEqual([999, 1000, 1001].map((atMs) => two.since("l\0\0/a", atMs)), [true, false, false]);
  assert.equal(two.since("l\0\0/b", 999), false);
});

Deno.test("InvalidationTable concerns all variants of a target", () => {
  const table = new InvalidationTable(new SharedArrayBuffer(INVALIDATION_BYTES), 0);
  table.add("l\0\0/a\0accept:x", 1000);
  assert.ok(table.since("l\0\0/a", 999) && table.since("l\0\0/a\0~cookie:1", 999));
});

Deno.test("InvalidationTable and LeaseTable leave each other's memory alone", () => {
  const memory = newLeaseMemory();
  const table = new InvalidationTable(memory, LEASE_BYTES);
  for (let index = 0; index < 1000; index++) table.add(`l\0\0/${index}`, 1000);
  sweepLeases(memory, 0);
  assert.ok(table.since("l\0\0/7", 999));
  assert.equal(new LeaseTable(memory, 0).acquire("l\0\0/7").kind, "held");
});

Deno.test("InvalidationTable tells what has changed by a tag, of the type whose listeners it was changed on", () => {
  const memory = newLeaseMemory();
  const [one, two] = [new InvalidationTable(memory, LEASE_BYTES), new InvalidationTable(memory, LEASE_BYTES)];
  const list = (requestTimeMs: number, ...tags: string[]) => ({ key: "v3\0\0/3/list/5", tags, requestTimeMs });
  assert.equal(two.concerns(list(0, "list:5"), "tmdb-api"), false);
  one.addTag("tmdb-api", "list:5", 1000);
  assert.equal(two.concerns(list(999, "lang:de", "list:5"), "tmdb-api"), true);
  assert.equal(two.concerns(list(1000, "list:5"), "tmdb-api"), false);
  assert.equal(two.concerns(list(999, "list:6"), "tmdb-api"), false);
  assert.equal(two.concerns(list(999, "list:5"), "custom"), false);
  assert.equal(two.concerns(list(999, "list:5"), null), false);
  one.add("v3\0\0/3/list/5", 2000);
  assert.equal(two.concerns(list(1999), null), true);
});

Deno.test("InvalidationTable tells of a response that it was asked about before, by its key and by each of its tags", () => {
  const table = new InvalidationTable(new SharedArrayBuffer(INVALIDATION_BYTES), 0);
  const movie = (key: string) => ({ key, tags: ["lang:de", "movie:5"], requestTimeMs: 999 });
  const stored = [movie("v3\0\0/3/movie/a"), movie("v3\0\0/3/movie/b"), { ...movie("v3\0\0/c"), tags: ["movie:6"] }];
  const concerned = () => stored.map((response) => table.concerns(response, "tmdb-api"));
  assert.deepEqual(concerned(), [false, false, false]);
  table.add("v3\0\0/3/movie/a", 1000);
  for (let turn = 0; turn < 2; turn++) assert.deepEqual(concerned(), [true, false, false]);
  table.addTag("tmdb-api", "movie:5", 1000);
  for (let turn = 0; turn < 2; turn++) assert.deepEqual(concerned(), [true, true, false]);
});
