import assert from "node:assert/strict";
import { PrewarmFetcher } from "../../../lib/workers/operations/prewarm_fetch.ts";
import { startScriptedOrigin } from "../../origins/scripted_origin.ts";
import { demoApiKey, startTmdbOrigin } from "../../origins/tmdb_origin.ts";
import { eventually, type InProcessGateway, withGateway } from "../../pipeline/in_process_gateway.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

/** A gateway with a listener of each kind in front of an origin that is asked for what `targets` hold. */
async function withListeners(
  run: (at: {
    readonly gateway: InProcessGateway;
    readonly targets: () => string[];
    readonly fetch: (listener: string, url: string) => ReturnType<PrewarmFetcher["fetch"]>;
  }) => Promise<void>,
): Promise<void> {
  const origin = await startScriptedOrigin(async (exchange) => {
    const { target } = exchange.head;
    if (target.includes("slow")) await exchange.wait(1_500);
    if (target.includes("broken")) {
      return await exchange.reply({ status: 404, fields: [["cache-control", "no-store"]] });
    }
    const control = target.includes("unstored") ? "no-store" : "max-age=60";
    const isImage = target.endsWith(".jpg");
    const type = isImage ? "image/jpeg" : "application/json";
    const body = isImage
      ? Uint8Array.of(0xff, 0xd8, 0xff, 0xda, 0, 2, 74, 70, 73, 70, 0, 0xff, 0xd9)
      : `{"at":"${target}"}`;
    await exchange.reply({ fields: [["cache-control", control], ["content-type", type]], body });
  });
  const upstreams = [origin.url];
  const parts = {
    pools: {
      any: { type: "custom", health: false, upstreams },
      api: { type: "tmdb-api", health: false, upstreams },
      image: { type: "tmdb-image", health: false, upstreams },
    },
    listeners: [
      { name: "any", prefix: "/any", pool: "any" },
      { name: "off", prefix: "/off", pool: "any", cache: { mode: "off" } },
      { name: "api", prefix: "/3", pool: "api" },
      { name: "image", prefix: "/t/p", pool: "image" },
      {
        name: "ruled",
        prefix: "/ruled",
        strip_prefix: true,
        pool: "any",
        rules: [
          { when: { path: "/old/**" }, redirect: { to: "/new" } },
          { request: { set: { "x-from": "usher" }, rewrite: { from: "^/v3", to: "/api" } } },
        ],
      },
      { name: "closed", prefix: "/closed", pool: "any", auth: { tokens: { tv: TOKEN } } },
    ],
  };
  try {
    await withGateway(parts, async (gateway) => {
      const fetcher = new PrewarmFetcher();
      const { services } = gateway.gateway;
      await run({
        gateway,
        targets: () => origin.heads.map(({ target }) => target),
        fetch: (listener, url) => fetcher.fetch({ services, snapshot: gateway.gateway.snapshot }, { listener, url }),
      });
    });
  } finally {
    await origin.close();
  }
}

Deno.test("PrewarmFetcher.fetch() stores what a client gets next, uncounted, and says that it is there already", () =>
  withListeners(async ({ gateway, fetch, targets }) => {
    const first = await fetch("any", "http://gateway.test/any/a?b=%C3%BC");
    assert.deepEqual([first.outcome, first.bytes], ["fetched", 24]);
    assert.equal((await fetch("any", "http://gateway.test/any/a?b=%C3%BC")).outcome, "fresh");
    assert.deepEqual(gateway.results("any"), {});
    assert.match((await gateway.ask("/any/a?b=%C3%BC")).cacheStatus, /; hit/);
    assert.equal((await fetch("image", "/t/p/w500/a.jpg")).outcome, "fetched");
    assert.match((await gateway.ask("/t/p/w500/a.jpg")).cacheStatus, /; hit/);
    assert.deepEqual(targets(), ["/any/a?b=%C3%BC", "/t/p/w500/a.jpg"]);
  }));

Deno.test("PrewarmFetcher.fetch() asks for nothing private, mutating, unstored by rule or of another listener", () =>
  withListeners(async ({ fetch, targets }) => {
    const cases: ReadonlyArray<readonly [listener: string, url: string, detail: RegExp]> = [
      ["none", "/a", /no such listener/],
      ["off", "http://h/off/a", /stores nothing/],
      ["any", "/any/a", /host is part of its cache key/],
      ["any", "http://h/3/movie/550", /does not serve it/],
      ["api", "/t/p/w500/a.jpg", /does not serve it/],
      ["api", "/3/movie/550/account_states", /one user \(user-state\)/],
      ["api", "/3/authentication/token/new", /one user \(mutating-get\)/],
      ["api", "/3/movie/550?session_id=a", /one user \(user-query\)/],
      ["api", "/3/somewhere/new", /one user \(unlisted-path\)/],
      ["api", "/3/../4/account", /dot segment/],
      ["any", "http://h/any/%2e%2e/3", /dot segment/],
      ["any", "http://h:x/any/a", /./],
      ["api", "ftp://h/3/movie/550", /no target/],
    ];
    for (const [listener, url, detail] of cases) {
      const result = await fetch(listener, url);
      assert.equal(result.outcome, "skipped", url);
      assert.match(result.detail ?? "", detail, url);
    }
    assert.deepEqual(targets(), []);
  }));

Deno.test("PrewarmFetcher.fetch() says what failed and what was not stored", () =>
  withListeners(async ({ fetch }) => {
    assert.deepEqual(await fetch("any", "http://h/any/broken"), { outcome: "failed", detail: "status 404", bytes: 0 });
    assert.equal((await fetch("any", "http://h/any/unstored")).outcome, "skipped");
  }));

Deno.test("PrewarmFetcher.fetch() leaves the room to clients while they are many", () =>
  withListeners(async ({ gateway, fetch, targets }) => {
    const clients = Array.from({ length: 20 }, (_, n) => gateway.ask(`/any/slow/${n}`));
    while (targets().length < 20) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal((await fetch("any", "http://gateway.test/any/a")).outcome, "busy");
    assert.equal(targets().length, 20);
    await Promise.all(clients);
    assert.equal((await fetch("any", "http://gateway.test/any/a")).outcome, "fetched");
  }));

Deno.test("PrewarmFetcher.fetch() leaves the room to clients while they wait for a key", async () => {
  const origin = await startTmdbOrigin();
  const pool = {
    ...{ type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams: [origin.url] },
    key_limits: { max_rps: 10, burst: 1 },
  };
  try {
    await withGateway({ pools: { p: pool }, listeners: [{ name: "l", prefix: "/3", pool: "p" }] }, async (gateway) => {
      const { services, snapshot } = gateway.gateway;
      await gateway.ask("/3/movie/550");
      const waiting = gateway.ask("/3/movie/603");
      await eventually("it waits", () => snapshot.pools[0]!.keyRoom.size === 1);
      const prewarm = () => new PrewarmFetcher().fetch({ services, snapshot }, { listener: "l", url: "/3/movie/13" });
      assert.equal((await prewarm()).outcome, "busy");
      gateway.clock.advance(100);
      assert.equal((await waiting).status, 200);
      gateway.clock.advance(100);
      assert.equal((await prewarm()).outcome, "fetched");
    });
  } finally {
    await origin.close();
  }
});

Deno.test("PrewarmFetcher.read() asks a pool's upstreams past the cache, uncounted, with a key of the pool", async () => {
  const origin = await startTmdbOrigin();
  const upstreams = [origin.url];
  const parts = {
    pools: {
      api: { type: "tmdb-api", health: false, upstreams, api_keys: [demoApiKey], timeouts: { total: "1s" } },
    },
    listeners: [
      { name: "kept", prefix: "/kept", strip_prefix: true, pool: "api", offline: true },
      { name: "api", prefix: "/tmdb", strip_prefix: true, pool: "api" },
    ],
  };
  try {
    await withGateway(parts, async ({ gateway, access, results }) => {
      const place = { services: gateway.services, snapshot: gateway.snapshot };
      const fetcher = new PrewarmFetcher();
      const target = "/3/movie/changes?start_date=2026-01-01&page=1";
      for (let turn = 0; turn < 2; turn++) {
        const { outcome, body } = await fetcher.read(place, "api", target);
        assert.equal(outcome, "read");
        assert.ok(JSON.parse(new TextDecoder().decode(body!)).results.length > 0);
      }
      assert.deepEqual(origin.requests.map((request) => request.target.replace(`&api_key=${demoApiKey}`, "")), [
        target,
        target,
      ]);
      assert.deepEqual([access().length, results("api")], [0, {}]);
      assert.deepEqual((await fetcher.read(place, "none", target)).detail, "no listener asks the pool's upstreams");
      origin.fault = () => Response.json({ results: "x".repeat(2_000_000) });
      assert.match((await fetcher.read(place, "api", target)).detail!, /larger/);
      origin.fault = () => Response.json({}, { status: 404 });
      assert.match((await fetcher.read(place, "api", target)).detail!, /404/);
      origin.fault = () => Response.json({}, { status: 429, headers: { "retry-after": "7" } });
      const limited = await fetcher.read(place, "api", target);
      assert.deepEqual([limited.outcome, limited.body], ["failed", null]);
      assert.ok(limited.retryAfterMs! > 0);
    });
  } finally {
    await origin.close();
  }
});

Deno.test("PrewarmFetcher.fetch() needs no token, and stores for clients that have one", () =>
  withListeners(async ({ gateway, fetch }) => {
    assert.equal((await fetch("closed", "http://gateway.test/closed/a")).outcome, "fetched");
    assert.equal((await gateway.ask("/closed/a")).status, 401);
    assert.match((await gateway.ask(`/~${TOKEN}/closed/a`)).cacheStatus, /hit/);
  }));

Deno.test("PrewarmFetcher.fetch() fetches what rules make of a target, and nothing that a rule answers", () =>
  withListeners(async ({ gateway, fetch, targets }) => {
    assert.equal((await fetch("ruled", "http://gateway.test/ruled/v3/a")).outcome, "fetched");
    assert.match((await gateway.ask("/ruled/v3/a")).cacheStatus, /hit/);
    assert.deepEqual(targets(), ["/api/a"]);
    assert.equal((await fetch("ruled", "http://gateway.test/ruled/old/a")).detail, "a rule of the listener answers it");
  }));
