import assert from "node:assert/strict";
import type { UpstreamConfig } from "../../lib/config/upstream.ts";
import { createTransport, requestBase, transportSignature } from "../../lib/gateway/compile_pool.ts";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { plainPool, withGateway } from "../pipeline/in_process_gateway.ts";
import { configOf, type Mapping } from "./config_of.ts";

async function upstreamOf(upstream: string | Mapping): Promise<UpstreamConfig> {
  const config = await configOf({
    pools: { p: { type: "custom", upstreams: [upstream] } },
    listeners: [{ name: "l", listen: "127.0.0.1:6635", pool: "p" }],
  });
  return config.pools[0]!.upstreams[0]!;
}

Deno.test("requestBase() is the authority and the path without its last slash", async () => {
  const cases: [upstream: string | Mapping, host: string, basePath: string][] = [
    ["http://one.example", "one.example", ""],
    ["http://one.example:8080/", "one.example:8080", ""],
    ["http://one.example/a/b/", "one.example", "/a/b"],
    [{ url: "http://192.0.2.1", host: "films.example" }, "films.example", ""],
  ];
  for (const [upstream, host, basePath] of cases) {
    assert.deepEqual(requestBase(await upstreamOf(upstream)), { host, basePath });
  }
});

Deno.test("transportSignature() differs where connections do, and only there", async () => {
  const url = "https://one.example";
  const plain = transportSignature(await upstreamOf(url));
  for (const same of [{ url: `${url}/base` }, { url, weight: 9 }]) {
    assert.equal(transportSignature(await upstreamOf(same)), plain);
  }
  for (
    const other of [
      { url: "https://one.example:444" },
      { url: "http://one.example" },
      { url, host: "two.example" },
      {
        url,
        resolve: "192.0.2.7",
      },
      { url, max_connections: 3 },
      { url, proxy: "http://p.example" },
      { url, proxy: "http://me:x@p.example" },
      {
        url,
        allow_private: true,
      },
      { url, http2: true },
      { url, max_idle: 1 },
      { url, idle_timeout: "1s" },
    ]
  ) {
    assert.notEqual(transportSignature(await upstreamOf(other)), plain, JSON.stringify(other));
  }
});

Deno.test("createTransport() connects to the address that the configuration pins", async () => {
  const origin = await startScriptedOrigin((exchange) => exchange.reply({ body: "pinned" }));
  const upstream = await upstreamOf({ url: `http://films.example:${origin.port}`, resolve: "127.0.0.1" });
  const transport = createTransport(upstream, { now: () => 0 });
  try {
    const response = await transport.send(
      { method: "GET", target: "/", fields: [["host", "films.example"]], body: null },
      { deadlines: { connectMs: 2_000, firstByteMs: 2_000, idleMs: 2_000 } },
    );
    assert.equal(new TextDecoder().decode(await response.body.readAll(100)), "pinned");
  } finally {
    transport.close();
    await origin.close();
  }
});

Deno.test("compilePool() takes times, tries and weights from the configuration", () =>
  withGateway({
    pools: {
      p: plainPool([], {
        upstreams: [{ url: "http://127.0.0.1:1", weight: 5 }, "http://127.0.0.1:2/base"],
        timeouts: { connect: "1s", first_byte: "2s", idle: "3s", total: "4s" },
        retry: { attempts: 2 },
        preserve_host: true,
      }),
    },
    listeners: [{ name: "l", pool: "p" }],
  }, ({ gateway }) => {
    const [runtime] = gateway.snapshot.pools;
    const { connectMs, firstByteMs, idleMs, totalMs, attempts, preserveHost } = runtime!;
    assert.deepEqual([connectMs, firstByteMs, idleMs, totalMs, attempts, preserveHost], [
      1_000,
      2_000,
      3_000,
      4_000,
      2,
      true,
    ]);
    assert.deepEqual(runtime!.pool.upstreams.map(({ id, weight }) => [id, weight]), [["http://127.0.0.1:1", 5], [
      "http://127.0.0.1:2/base",
      1,
    ]]);
    assert.equal(runtime!.endpoints.get("http://127.0.0.1:2/base")!.basePath, "/base");
    return Promise.resolve();
  }));

Deno.test("compilePool() lets connections of the general type alone go on as WebSocket, unless it says otherwise", () =>
  withGateway({
    pools: {
      plain: plainPool(["http://127.0.0.1:1"]),
      none: plainPool(["http://127.0.0.1:1"], { upgrade: [], tunnels: { idle: "9s", max: 8 } }),
      api: plainPool(["http://127.0.0.1:1"], { type: "tmdb-api" }),
      images: plainPool(["http://127.0.0.1:1"], { type: "tmdb-image" }),
    },
    listeners: ["plain", "none", "api", "images"].map((name) => ({ name, prefix: `/${name}`, pool: name })),
  }, ({ gateway: { snapshot: { pools } } }) => {
    assert.deepEqual(pools.map(({ name, upgrades }) => [name, ...upgrades]), [
      ["plain", "websocket"],
      ["none"],
      ["api"],
      ["images"],
    ]);
    assert.deepEqual(pools.slice(0, 2).map(({ tunnelIdleMs, maxTunnels }) => [tunnelIdleMs, maxTunnels]), [
      [300_000, 1_000],
      [9_000, 8],
    ]);
    return Promise.resolve();
  }));
