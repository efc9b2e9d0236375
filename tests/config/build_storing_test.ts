import assert from "node:assert/strict";
import { configOf } from "./load_text.ts";

async function cacheOf(keys: string) {
  const config = await configOf(`
pools: { p: { type: custom, upstreams: [http://a.example] } }
listeners: [{ name: l, pool: p, cache: ${keys} }]
`);
  return config.listeners[0]!.cache;
}

Deno.test("buildStoring() takes the short forms of cookies and compress", async () => {
  assert.equal((await cacheOf("{ cookies: bypass }")).cookies, "bypass");
  assert.equal((await cacheOf("{ cookies: ignore }")).cookies, "ignore");
  assert.deepEqual((await cacheOf("{ cookies: { use: ignore, key: [x, x] } }")).cookies, { key: ["x"] });
  assert.equal((await cacheOf("{ cookies: { key: [] } }")).cookies, null);
  assert.equal((await cacheOf("{ compress: true }")).compress.enabled, true);
  assert.equal((await cacheOf("{ compress: false }")).compress.enabled, false);
});

Deno.test("buildStoring() names each field and coding once, fields in lower case", async () => {
  const cache = await cacheOf("{ targeted_fields: [A-B, a-b], compress: { codings: [gzip, br] } }");
  assert.deepEqual(cache.targetedFields, ["a-b"]);
  assert.deepEqual(cache.compress.codings, ["gzip", "br"]);
});
