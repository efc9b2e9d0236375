import assert from "node:assert/strict";
import { hedgingTable, withTables } from "./report.ts";

Deno.test("withTables() puts each table in its place and leaves the rest alone", () => {
  const page = "a\n<!-- table -->\nold\n<!-- end of table -->\nb\n<!-- table -->\n<!-- end of table -->\n";
  const once = withTables(page, ["| 1 |", "| 2 |"]);
  assert.match(once, /^a\n<!-- table -->\n\n\| 1 \|\n\n<!-- end of table -->\nb\n<!-- table -->/);
  assert.ok(!once.includes("old"));
  assert.equal(withTables(once, ["| 1 |", "| 2 |"]), once);
});

Deno.test("hedgingTable() has columns of one width", () => {
  const row = { sent: 1_000, failures: [], aborted: 0, p50Ms: 5.25, p99Ms: 1_002.4 };
  const lines = hedgingTable([{ ...row, hedge: "off", extra: 0 }, { ...row, hedge: "after p95", extra: 0.0312 }]).split(
    "\n",
  );
  assert.equal(new Set(lines.map((line) => line.length)).size, 1);
  assert.match(lines[3]!, /after p95.*3\.1 %.*5\.3 ms.*1002 ms/);
});
