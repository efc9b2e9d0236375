import assert from "node:assert/strict";
import {
  decodeHealthTable,
  encodeHealthTable,
  type Index,
  isIndex,
  nextIndex,
  toPublication,
} from "../../lib/health/health_records.ts";
import { healthRow, healthTable } from "../pool/health_rows.ts";
import { tableOf } from "./kv_kit.ts";

const EMPTY: Index = { version: 0, recent: [], floor: 0 };

Deno.test("nextIndex() names each changed pool once, the newest first", () => {
  const index = nextIndex(nextIndex(EMPTY, [tableOf("p", 1), tableOf("q", 1)]), [tableOf("p", 2)]);
  assert.deepEqual(index, { version: 2, recent: [["p", 2], ["q", 1]], floor: 0 });
});

Deno.test("nextIndex() names a hundred pools and says up to which version others changed", () => {
  let index = EMPTY;
  for (let version = 1; version <= 150; version++) index = nextIndex(index, [tableOf(`p${version}`, version)]);
  assert.equal(index.recent.length, 100);
  assert.equal(index.floor, 50);
  assert.deepEqual(index.recent.at(-1), ["p51", 51]);
});

Deno.test("isIndex() takes nothing else for an index", () => {
  assert.equal(isIndex(EMPTY), true);
  for (const value of [null, 1, "x", {}, { version: "1", recent: [], floor: 0 }]) assert.equal(isIndex(value), false);
});

Deno.test("toPublication() cuts a table into values that KV takes, and refuses one that is too large", () => {
  const rows = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`u${i}`, healthRow("healthy")]));
  const publication = toPublication(tableOf("p", 3, { upstreams: rows(3_000) }))!;
  assert.ok(publication.entries.length > 1);
  for (const [key, part] of publication.entries) {
    assert.equal(key[2], "p");
    assert.equal(part.version, 3);
    assert.ok(part.bytes.length <= 60_000);
    assert.equal(part.bytes.byteLength, part.bytes.buffer.byteLength);
  }
  assert.equal(toPublication(tableOf("p", 3, { upstreams: rows(20_000) })), null);
  assert.equal(toPublication(tableOf("x".repeat(201), 3)), null);
});

const TABLE = healthTable(7, {
  "p http://a.test": healthRow("ejected", { reason: "5 failures in a row", weight: 0.25, fastMs: 12.5, checks: 3 }),
  "__proto__": healthRow("half_open", { credential: "key 1 refused", failedChecks: 2 }),
});

Deno.test("decodeHealthTable() gives back what encodeHealthTable() was given", () => {
  assert.deepEqual(decodeHealthTable(encodeHealthTable(TABLE)), TABLE);
});

Deno.test("encodeHealthTable() cuts texts that are too long", () => {
  const table = healthTable(1, { a: healthRow("ejected", { reason: "x".repeat(10_000) }) });
  assert.ok(encodeHealthTable(table).length < 500);
});

Deno.test("decodeHealthTable() answers null to anything else", () => {
  const text = new TextDecoder().decode(encodeHealthTable(TABLE));
  const broken = [
    "",
    "{",
    "null",
    "[]",
    "[1]",
    text.slice(0, -1),
    text.replace("[2,", "[3,"),
    text.replace("12.5", '"12.5"'),
  ];
  for (const bytes of broken) assert.equal(decodeHealthTable(new TextEncoder().encode(bytes)), null, bytes);
});
