import assert from "node:assert/strict";
import { processSections } from "../../lib/config/admin.ts";

Deno.test("processSections has every section that a file may leave out, with its defaults", () => {
  const values = Object.entries(processSections).map(([name, section]) => [name, section.parse(undefined)] as const);
  assert.deepEqual(values.map(([name]) => name), ["server", "admin", "logging", "cache", "images"]);
  for (const [name, value] of values) assert.ok(Object.keys(value as object).length > 0, name);
});
