import assert from "node:assert/strict";
import { startFieldGateway } from "./field_gateway.ts";
import { fieldRows } from "../field/field_rows.ts";

Deno.test("deno task field: what users ran into holds, row by row", async (t) => {
  await using field = await startFieldGateway();
  for (const row of fieldRows) {
    await t.step(`${row.line}: ${row.name}`, async () => assert.equal(await field.tryRow(row), null));
  }
  await t.step("no row has counted against an upstream", async () => {
    const metrics = async () => await (await fetch(`${field.gateway.adminUrl}/metrics`)).text();
    const first = await metrics();
    assert.match(first, /usher_upstream_tries_total/);
    assert.doesNotMatch(first, /usher_upstream_tries_total\{[^}]*outcome="(?:failed|unreachable|limited)"/);
    assert.doesNotMatch(first, /usher_upstream_healthy\{[^}]*\} 0/);
  });
});

Deno.test("the field table has at most ten rows a line, each with a name of its own", () => {
  const lines = Map.groupBy(fieldRows, ({ line }) => line);
  for (const [line, rows] of lines) assert.ok(rows.length <= 10, `${line} has ${rows.length} rows`);
  assert.equal(new Set(fieldRows.map(({ line, name }) => `${line} ${name}`)).size, fieldRows.length);
});
