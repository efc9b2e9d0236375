import assert from "node:assert/strict";
import { fileSchemas } from "../../lib/config/schema.ts";
import { names } from "./load_text.ts";

const { file, draft } = fileSchemas(names);

const SMALLEST = {
  pools: { a: { type: "custom", upstreams: ["https://one.example"] } },
  listeners: [{ name: "a", pool: "a" }],
};

Deno.test("fileSchemas() fills every default of a file with pools and listeners only", () => {
  const values = file.parse(SMALLEST);
  assert.equal(values.server.shutdown_grace, 30_000);
  assert.equal(values.cache.disk, 10 * 1024 ** 3);
  assert.deepEqual(values.pools.a?.upstreams, [{
    url: "https://one.example",
    weight: 1,
    backup: false,
    max_connections: 256,
    idle_timeout: 55_000,
    allow_private: false,
    http2: false,
    usher: false,
  }]);
  assert.equal(values.pools.a?.strategy, "weighted-ewma");
  assert.deepEqual(values.listeners[0]?.listen, { address: { hostname: "0.0.0.0", port: 6635 }, mode: 0o660 });
  const { compress, ...cache } = values.listeners[0]!.cache;
  assert.deepEqual(cache, {
    rules: [],
    query: { exclude: [], sort: false },
    targeted_fields: ["CDN-Cache-Control"],
    status_key: false,
    reuse_appends: false,
  });
  assert.deepEqual([compress.enabled, compress.min_size, compress.codings], [undefined, 1024, ["zstd", "br", "gzip"]]);
});

Deno.test("fileSchemas() takes the short forms", () => {
  const values = file.parse({
    pools: {
      a: { type: "custom", upstreams: ["https://one.example", { url: "https://two.example" }], health: false },
      b: { type: "custom", upstreams: ["https://one.example"], health: { status: 204 } },
    },
    listeners: [{ name: "a", pool: "a", host: "A.example", cache: { rules: [{ status: "200-299" }] } }],
  });
  assert.equal(values.pools.a?.health.enabled, false);
  assert.deepEqual(values.pools.b?.health.status, [[204, 204]]);
  assert.deepEqual(values.listeners[0]?.host, ["a.example"]);
  assert.deepEqual(values.listeners[0]?.cache.rules[0]?.status, [[200, 299]]);
});

Deno.test("fileSchemas() takes only registered names", () => {
  for (const pool of [{ type: "other" }, { type: "custom", strategy: "other" }]) {
    const result = file.safeParse({ ...SMALLEST, pools: { a: { upstreams: ["https://one.example"], ...pool } } });
    assert.equal(result.error?.issues.length, 1);
  }
});

Deno.test("fileSchemas() is strict at every level", () => {
  const odd = { odd: 1 };
  const result = file.safeParse({
    ...odd,
    server: odd,
    admin: odd,
    logging: odd,
    cache: odd,
    pools: {
      a: {
        type: "custom",
        ...odd,
        upstreams: [{ url: "https://one.example", ...odd }],
        timeouts: odd,
        retry: odd,
        health: odd,
        content_types: odd,
      },
    },
    listeners: [{ name: "a", pool: "a", ...odd, cache: { ...odd, rules: [odd], query: odd } }],
  });
  const issues = result.error?.issues ?? [];
  assert.equal(issues.length, 15);
  assert.ok(issues.every((issue) => issue.code === "unrecognized_keys"));
});

Deno.test("fileSchemas().draft needs no key", () => {
  const values = draft.parse({ pools: { a: {} }, listeners: [{}] });
  assert.equal(values.pools.a?.type, undefined);
  assert.equal(values.listeners[0]?.name, undefined);
  assert.deepEqual(draft.parse({}).listeners, []);
});
