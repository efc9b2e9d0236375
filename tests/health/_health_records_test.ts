import assert from "node:assert/strict";
import { entryOf, type Index, isIndex, nextIndex } from "../../lib/health/_health_records.ts";
import { healthRow } from "../pool/health_rows.ts";
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

Deno.test("entryOf() refuses a table that is too large, and a name that is too long", () => {
  const rows = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`u${i}`, healthRow("healthy")]));
  assert.deepEqual(entryOf(tableOf("p", 3, { upstreams: rows(3_000) }))!.key, ["health", "table", "p"]);
  assert.equal(entryOf(tableOf("p", 3, { upstreams: rows(20_000) })), null);
  assert.equal(entryOf(tableOf("x".repeat(201), 3)), null);
});
