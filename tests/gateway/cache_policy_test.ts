import assert from "node:assert/strict";
import { compilePolicy, compileStoring } from "../../lib/gateway/cache_policy.ts";
import { upstreamTypes } from "../../lib/upstream_type/registry.ts";
import { configFor, plainParts } from "../pipeline/in_process_gateway.ts";

/** The policy of a listener in a pool of a type. */
async function policyOf(type: string, cache: Record<string, unknown> = {}) {
  const config = await configFor({
    ...plainParts(["https://one.example"], { pool: { type } }),
    listeners: [{ name: "l", pool: "p", cache }],
  });
  const options = { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 } as const;
  return compilePolicy(config.listeners[0]!.cache, upstreamTypes.create(type, options));
}

Deno.test("compilePolicy() takes mode, cookies and the longest lifetime from the type", async () => {
  const custom = await policyOf("custom");
  assert.deepEqual([custom?.mode, custom?.cookies, custom?.setCookie, custom?.maxTtlMs], [
    "rfc9111",
    "bypass",
    "bypass",
    null,
  ]);
  for (const type of ["tmdb-api", "tmdb-image"]) {
    const tmdb = await policyOf(type);
    assert.deepEqual([tmdb?.mode, tmdb?.cookies, tmdb?.setCookie], ["ttl", "ignore", "strip"]);
    assert.equal(tmdb?.maxTtlMs, 180 * 86_400_000);
  }
});

Deno.test("compilePolicy() lets the listener choose the mode, and is null where nothing is cached", async () => {
  assert.equal((await policyOf("tmdb-api", { mode: "rfc9111" }))?.mode, "rfc9111");
  assert.equal(await policyOf("custom", { mode: "off" }), null);
});

Deno.test("compilePolicy() compiles rules in their order, with what they leave out", async () => {
  const policy = await policyOf("custom", {
    rules: [
      { path: "/t/**", content_type: "image/*", status: 200, ttl: "30d", memory: false },
      { stale_if_error: "1h" },
    ],
  });
  const [image, rest] = policy!.rules;
  assert.equal(image!.path!.test("/t/p/x.jpg"), true);
  assert.deepEqual([image!.contentType!("image/png"), image!.contentType!("text/html")], [true, false]);
  assert.deepEqual([image!.status, image!.ttlMs, image!.staleIfErrorMs], [[[200, 200]], 30 * 86_400_000, null]);
  assert.deepEqual(image!.tiers, { memory: false, disk: true, shared: true });
  assert.deepEqual([rest!.path, rest!.contentType, rest!.status, rest!.ttlMs, rest!.staleIfErrorMs], [
    null,
    null,
    null,
    null,
    3_600_000,
  ]);
});

/** How a listener in a pool of a type stores and serves. */
async function storingOf(type: string, cache: Record<string, unknown> = {}) {
  const config = await configFor({
    ...plainParts(["https://one.example"], { pool: { type } }),
    listeners: [{ name: "l", pool: "p", cache }],
  });
  const options = { apiKeys: [], keyMode: "pass", contentTypes: null, now: () => 0 } as const;
  return compileStoring(config.listeners[0]!.cache, upstreamTypes.create(type, options));
}

Deno.test("compileStoring() takes ranges and compression from the type", async () => {
  const of = async (type: string, cache?: Record<string, unknown>) => {
    const { range, compress } = await storingOf(type, cache);
    return [range, compress !== null];
  };
  assert.deepEqual(await of("custom"), ["pass", false]);
  assert.deepEqual(await of("tmdb-api"), ["fetch-full", true]);
  assert.deepEqual(await of("tmdb-image"), ["fetch-full", false]);
  assert.deepEqual(await of("custom", { range: "fetch-full", compress: true }), ["fetch-full", true]);
  assert.deepEqual(await of("custom", { compress: { enabled: true, codings: [] } }), ["pass", false]);
  assert.deepEqual((await storingOf("custom", { cookies: { key: ["b", "a"] } })).cookieKey, ["a", "b"]);
});

Deno.test("compilePolicy() heeds cookies unless they are in the key, or Set-Cookie is for everyone", async () => {
  assert.equal((await policyOf("custom", { cookies: { key: ["a"] } }))?.cookies, "ignore");
  assert.equal((await policyOf("custom", { set_cookie: "store" }))?.cookies, "ignore");
  assert.equal((await policyOf("custom", { set_cookie: "store", cookies: "bypass" }))?.cookies, "bypass");
  assert.equal((await policyOf("custom", { set_cookie: "strip" }))?.cookies, "bypass");
});

Deno.test("compilePolicy() keeps parts where ranges are passed on and the origin is obeyed", async () => {
  assert.equal((await policyOf("custom"))?.storePartial, true);
  assert.equal((await policyOf("custom", { range: "fetch-full" }))?.storePartial, false);
  assert.equal((await policyOf("tmdb-api"))?.storePartial, false);
});
