import assert from "node:assert/strict";
import { removedFromAll, tmdbDropFields } from "../../lib/upstream_type/_tmdb_fields.ts";

Deno.test("removedFromAll names fields in lower case, each once, and removes them", () => {
  const names = removedFromAll.map(([name]) => name);
  assert.equal(new Set(names).size, names.length);
  assert.ok(removedFromAll.every(([name, value]) => name === name.toLowerCase() && value === null));
  const ofUsers = ["cookie", "dnt", "origin", "purpose", "referer", "sec-gpc", "sec-purpose", "x-requested-with"];
  const ofBrowsers = ["dest", "mode", "site", "user"].map((name) => `sec-fetch-${name}`);
  const ofOthers = ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];
  const hints = ["sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "upgrade-insecure-requests"];
  for (const name of [...ofUsers, ...ofBrowsers, ...ofOthers, ...hints]) assert.ok(names.includes(name), name);
});

Deno.test("tmdbDropFields holds what would mislead clients, and nothing that they need", () => {
  for (const name of ["x-memc", "alt-svc", "set-cookie", "x-ratelimit-remaining"]) {
    assert.ok(tmdbDropFields.has(name), name);
  }
  for (const name of ["etag", "cache-control", "content-type", "vary", "retry-after"]) {
    assert.ok(!tmdbDropFields.has(name));
  }
});
