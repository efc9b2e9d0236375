import assert from "node:assert/strict";
import { configOf, problemsOf, SOUND, warningsOf } from "./load_text.ts";

Deno.test("checkCache() wants an entry to fit a tier, and shrinks the default instead of complaining", async () => {
  assert.deepEqual(await problemsOf(`cache: { memory: 1MiB, disk: 0, max_entry: 2MiB }${SOUND}`), [
    '1:44 cache.max_entry: found "2MiB" expected a size that cache.memory or cache.disk can hold',
  ]);
  assert.deepEqual(await problemsOf(`cache: { memory: 1MiB, disk: 0 }${SOUND}`), []);
  assert.deepEqual(await problemsOf(`cache: { memory: 1MiB, disk: 1GiB, max_entry: 2MiB }${SOUND}`), []);
});

Deno.test("checkCache() warns of bodies that can never be stored", async () => {
  assert.deepEqual(await warningsOf(`cache: { fill_memory: 1MiB }${SOUND}`), [
    "1:23 cache.fill_memory: it is smaller than cache.max_entry: bodies larger than it are never stored",
  ]);
});

Deno.test("cacheOf() and listenerCacheOf() say what each key means", async () => {
  const config = await configOf(`
cache: { memory: 1MiB, disk: 2MiB, min_free_disk: 7MiB, max_entry: 3KiB, fill_memory: 4MiB, fill_timeout: 6ms,
  collapse_timeout: 5ms, background_fill: false }
pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners:
  - name: l
    pool: p
    cache:
      mode: "off"
      client_cache_control: limit
      query: { include: [q], exclude: [utm_*], sort: true }
      disk_quota: 1MiB
      status_key: true
      shared: false
      shared_stale: true
      set_cookie: strip
      cookies: { key: [b, a, b] }
      range: fetch-full
      compress: { enabled: true, min_size: 2KiB, types: [text/html], codings: [gzip] }
      rules:
        - { path: /a/**, content_type: image/*, status: 404, ttl: 1s, min_ttl: 2s, max_ttl: 3s,
            stale_while_revalidate: 4s, stale_if_error: 5s, memory: false, disk: false }
        - { ttl: 1m }
`);
  assert.deepEqual(config.cache, {
    ...{ memoryBytes: 1024 ** 2, diskBytes: 2 * 1024 ** 2, minFreeDiskBytes: 7 * 1024 ** 2, maxEntryBytes: 3 * 1024 },
    ...{ fillMemoryBytes: 4 * 1024 ** 2, fillTimeoutMs: 6, collapseTimeoutMs: 5, backgroundFill: false },
    shared: null,
  });
  const { rules, ...cache } = config.listeners[0]!.cache;
  assert.deepEqual(cache, {
    ...{
      mode: "off",
      clientCacheControl: "limit",
      query: { include: ["q"], exclude: ["utm_*"], sort: true },
      setCookie: "strip",
    },
    ...{ cookies: { key: ["a", "b"] }, range: "fetch-full", sharedStale: true, targetedFields: ["cdn-cache-control"] },
    ...{ reuseAppends: false, statusKey: true, diskQuotaBytes: 1024 ** 2 },
    ...{ shared: false, sharedAs: null, keyHost: null },
    compress: { enabled: true, minBytes: 2048, types: ["text/html"], codings: ["gzip"] },
  });
  const silent = { minTtlMs: null, maxTtlMs: null, staleWhileRevalidateMs: null, staleIfErrorMs: null };
  assert.deepEqual(rules, [
    {
      ...{ path: "/a/**", contentType: "image/*", status: [[404, 404]], ttlMs: 1000, minTtlMs: 2000, maxTtlMs: 3000 },
      ...{ staleWhileRevalidateMs: 4000, staleIfErrorMs: 5000, tiers: { memory: false, disk: false, shared: true } },
    },
    {
      path: null,
      contentType: null,
      status: null,
      ttlMs: 60_000,
      ...silent,
      tiers: { memory: true, disk: true, shared: true },
    },
  ]);
});

async function cacheOf(keys: string) {
  const config = await configOf(`
pools: { p: { type: custom, upstreams: [http://a.example] } }
listeners: [{ name: l, pool: p, cache: ${keys} }]
`);
  return config.listeners[0]!.cache;
}

Deno.test("listenerCacheOf() takes the short forms of cookies and compress", async () => {
  assert.equal((await cacheOf("{ cookies: bypass }")).cookies, "bypass");
  assert.equal((await cacheOf("{ cookies: ignore }")).cookies, "ignore");
  assert.deepEqual((await cacheOf("{ cookies: { use: ignore, key: [x, x] } }")).cookies, { key: ["x"] });
  assert.equal((await cacheOf("{ cookies: { key: [] } }")).cookies, null);
  assert.equal((await cacheOf("{ compress: true }")).compress.enabled, true);
  assert.equal((await cacheOf("{ compress: false }")).compress.enabled, false);
});

Deno.test("listenerCacheOf() names each field and coding once, fields in lower case", async () => {
  const cache = await cacheOf("{ targeted_fields: [A-B, a-b], compress: { codings: [gzip, br] } }");
  assert.deepEqual(cache.targetedFields, ["a-b"]);
  assert.deepEqual(cache.compress.codings, ["gzip", "br"]);
});

Deno.test("storing keys are checked with their place in the file", async () => {
  const problems = await problemsOf(`pools: { p: { type: custom, upstreams: [http://a.example] } }
listeners:
  - name: l
    pool: p
    cache:
      disk_quota: 1KiB
      set_cookie: keep
      cookies: all
      range: some
      targeted_fields: ["a b"]
      compress: { codings: [deflate], min_size: 0 }
`);
  assert.deepEqual(
    problems.map((problem) => problem.split(": ")[0]).sort(),
    [
      "6:19 listeners[0].cache.disk_quota",
      "7:19 listeners[0].cache.set_cookie",
      "8:16 listeners[0].cache.cookies",
      "9:14 listeners[0].cache.range",
      "10:25 listeners[0].cache.targeted_fields[0]",
      "11:29 listeners[0].cache.compress.codings[0]",
      "11:49 listeners[0].cache.compress.min_size",
    ].sort(),
  );
});

function withAppends(type: string, cache: string): string {
  return `pools: { p: { type: ${type}, upstreams: [http://a.example] } }
listeners:
  - { name: l, pool: p, cache: ${cache} }
`;
}

Deno.test("checkListenerCache() takes reuse_appends on TMDB's API only", async () => {
  assert.equal(
    (await configOf(withAppends("tmdb-api", "{ reuse_appends: true }"))).listeners[0]!.cache.reuseAppends,
    true,
  );
  assert.equal((await configOf(withAppends("tmdb-api", "{}"))).listeners[0]!.cache.reuseAppends, false);
  for (const type of ["custom", "tmdb-image"]) {
    assert.deepEqual(await problemsOf(withAppends(type, "{ reuse_appends: true }")), [
      `3:49 listeners[0].cache.reuse_appends: found true expected \`false\`: pool p is of type ${type}, and only tmdb-api has parts to append`,
    ]);
    assert.deepEqual(await problemsOf(withAppends(type, "{ reuse_appends: false }")), []);
  }
});

Deno.test("checkListenerCache() warns where nothing is stored", async () => {
  const lines = await warningsOf(withAppends("tmdb-api", "{ reuse_appends: true, mode: off }"));
  assert.match(lines[0] ?? "", /^3:49 listeners\[0\]\.cache\.reuse_appends: it has no effect: `mode: off`/);
});

Deno.test("checkListenerCache() leaves a pool that is wrong to those who check pools", async () => {
  const lines = await problemsOf(withAppends("tmdb", "{ reuse_appends: true }"));
  assert.ok(lines.every((line) => !line.includes("reuse_appends")), lines.join("\n"));
});
