import assert from "node:assert/strict";
import { fieldSheets } from "../field/field_sheets.ts";
import { startFieldGateway } from "./field_gateway.ts";

for (const sheet of fieldSheets) {
  Deno.test(`deno task field: what users ran into holds, row by row: ${sheet.name}`, async (t) => {
    await using field = await startFieldGateway(sheet);
    for (const row of sheet.rows) {
      await t.step(`${row.line}: ${row.name}`, async () => assert.equal(await field.tryRow(row), null));
    }
    if (!sheet.isHarmless) return;
    await t.step("no row has counted against an upstream", async () => {
      const metrics = await (await fetch(`${field.gateway.adminUrl}/metrics`)).text();
      assert.match(metrics, /usher_upstream_tries_total/);
      assert.doesNotMatch(metrics, /usher_upstream_tries_total\{[^}]*outcome="(?:failed|unreachable|limited)"/);
      assert.doesNotMatch(metrics, /usher_upstream_healthy\{[^}]*\} 0/);
    });
  });
}

Deno.test("the field table has at most ten rows a line, each with a name of its own", () => {
  const all = fieldSheets.flatMap(({ rows }) => rows);
  for (const [line, rows] of Map.groupBy(all, (row) => row.line)) {
    assert.ok(rows.length <= 10, `${line} has ${rows.length} rows`);
  }
  assert.equal(new Set(all.map(({ line, name }) => `${line} ${name}`)).size, all.length);
});
