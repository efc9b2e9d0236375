import assert from "node:assert/strict";
import { reachedBy } from "../../lib/config/build_connection.ts";
import { configOf } from "./load_text.ts";

Deno.test("buildConnection() carries every key over, a password from the environment included", async () => {
  const config = await configOf(
    `
pools:
  p:
    type: custom
    upstreams:
      - { url: https://one.example, proxy: "http://me:\${PASSWORD}@proxy.example:3128", allow_private: true, usher: true,
          max_idle: 0, idle_timeout: 5s }
      - { url: https://two.example, http2: true }
listeners: [{ name: l, pool: p }]
`,
    { env: { PASSWORD: "p%2Fw" } },
  );
  const [one, two] = config.pools[0]!.upstreams;
  assert.equal(one!.proxy, "http://me:p%2Fw@proxy.example:3128");
  assert.deepEqual([one!.allowPrivate, one!.usher, one!.http2], [true, true, false]);
  assert.deepEqual([one!.maxIdle, one!.idleTimeoutMs], [0, 5000]);
  assert.deepEqual([two!.proxy, two!.http2, two!.maxIdle, two!.idleTimeoutMs], [null, true, null, 55_000]);
});

Deno.test("upstreamId() is the URL, and tells apart how one is reached that a pool has twice, without credentials", async () => {
  const url = "https://one.example";
  const upstreams = [
    { url },
    { url, proxy: "socks5://me:hunter2@p.example" },
    { url, resolve: "192.0.2.1", host: "b.example" },
    { url: "https://two.example", proxy: "http://p.example:1" },
  ];
  const config = await configOf(JSON.stringify({
    pools: { p: { type: "custom", upstreams } },
    listeners: [{ name: "l", pool: "p" }],
  }));
  assert.deepEqual(config.pools[0]!.upstreams.map(({ id }) => id), [
    url,
    `${url} via socks5://p.example:1080`,
    `${url} as b.example at 192.0.2.1`,
    "https://two.example",
  ]);
});

Deno.test("reachedBy() is nothing for what is reached as the URL says", () => {
  assert.equal(reachedBy({}), "");
  assert.equal(reachedBy({ proxy: "http://me:p%40ss@p.example:80" }), " via http://p.example:80");
});
