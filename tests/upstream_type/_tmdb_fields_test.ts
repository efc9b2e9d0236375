import assert from "node:assert/strict";
import { removedFromAll, tmdbDropFields } from "../../lib/upstream_type/_tmdb_fields.ts";

Deno.test("removedFromAll names fields in lower case, each once, and removes them", () => {
  const names = removedFromAll.map(([name]) => name);
  assert.equal(new Set(names).size, names.length);
  assert.ok(removedFromAll.every(([name, value]) => name === name.toLowerCase() && value === null));
  for (const name of ["cookie", "origin", "referer", "x-http-method-override"]) assert.ok(names.includes(name), name);
});

Deno.test("tmdbDropFields holds what would mislead clients, and nothing that they need", () => {
  for (const name of ["x-memc", "alt-svc", "set-cookie", "x-ratelimit-remaining"]) {
    assert.ok(tmdbDropFields.has(name), name);
  }
  for (const name of ["etag", "cache-control", "content-type", "vary", "retry-after"]) {
    assert.ok(!tmdbDropFields.has(name));
  }
});
