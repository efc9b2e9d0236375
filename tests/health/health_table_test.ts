import assert from "node:assert/strict";
import { decodeHealthTable, encodeHealthTable } from "../../lib/health/health_table.ts";
import { healthRow, healthTable } from "../pool/health_rows.ts";

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
