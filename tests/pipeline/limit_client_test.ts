import assert from "node:assert/strict";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { plainParts, plainPool, withGateway, withOrigin } from "./in_process_gateway.ts";

function limited(rate: Readonly<Record<string, unknown>>) {
  return { listeners: [{ name: "l", pool: "p", rate_limit: rate }] };
}

Deno.test("limitClient() answers 429 over the limit, hits included, and says how the quota stands", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x" }),
    async ({ ask, clock, gateway }, origin) => {
      const answers = [];
      for (let turn = 0; turn < 3; turn++) answers.push(await ask("/a"));
      assert.deepEqual(answers.map(({ status }) => status), [200, 200, 429]);
      assert.match(answers[1]!.cacheStatus, /hit/);
      assert.deepEqual(answers.map(({ headers }) => headers.get("ratelimit")), [
        '"default";r=1;t=30',
        '"default";r=0;t=60',
        '"default";r=0;t=30',
      ]);
      assert.equal(answers[2]!.headers.get("ratelimit-policy"), '"default";q=2;w=60');
      assert.equal(answers[2]!.headers.get("retry-after"), "30");
      assert.equal(answers[2]!.headers.get("content-type"), "application/problem+json");
      for (const { headers } of answers) assert.ok(![...headers.keys()].some((name) => name.startsWith("x-ratelimit")));
      assert.equal(origin.heads.length, 1);
      assert.equal(gateway.counts.listeners["l"]!.rateLimited, 1);
      assert.equal((await ask("/a", { from: "192.0.2.77" })).status, 200, "another client");
      clock.advance(30_000);
      assert.equal((await ask("/a")).status, 200);
    },
    limited({ requests: 2, per: "1m" }),
  ));

Deno.test("limitClient() says nothing where clients are not limited", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask }) => {
    const { headers } = await ask("/a");
    assert.equal(headers.get("ratelimit"), null);
    assert.equal(headers.get("ratelimit-policy"), null);
  }));

Deno.test("limitClient() goes by what a trusted proxy says of the client, and by nobody else's word", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask }) => {
    const from = (peer: string, client: string) => ask("/a", { from: peer, headers: { "x-forwarded-for": client } });
    assert.equal((await from("10.0.0.1", "203.0.113.1")).status, 200);
    assert.equal((await from("10.0.0.1", "203.0.113.2")).status, 200);
    assert.equal((await from("10.0.0.1", "203.0.113.1")).status, 429);
    assert.equal((await from("192.0.2.1", "203.0.113.5")).status, 200);
    assert.equal((await from("192.0.2.1", "203.0.113.6")).status, 429);
  }, { server: { trusted_proxies: ["10.0.0.0/8"] }, ...limited({ requests: 1, per: "1h" }) }));

Deno.test("limitClient() refuses in the shape that TMDB's clients understand", async () => {
  const origin = await startTmdbOrigin();
  try {
    await withGateway({
      pools: { p: { type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams: [origin.url] } },
      listeners: [{ name: "l", prefix: "/3", pool: "p", rate_limit: { requests: 1, per: "1h" } }],
    }, async ({ ask }) => {
      await ask("/3/movie/603");
      const refused = await ask("/3/movie/603");
      assert.equal(refused.status, 429);
      assert.equal(JSON.parse(refused.text).status_code, 25);
    });
  } finally {
    await origin.close();
  }
});

Deno.test("limitClient() limits the clients of one listener only", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async (_, origin) => {
    await withGateway({
      ...plainParts([]),
      pools: { p: plainPool([origin.url]) },
      listeners: [
        { name: "a", prefix: "/a", pool: "p", rate_limit: { requests: 1, per: "1h" } },
        { name: "b", prefix: "/b", pool: "p", rate_limit: { requests: 1, per: "1h" } },
      ],
    }, async ({ ask }) => {
      assert.deepEqual([(await ask("/a")).status, (await ask("/b")).status, (await ask("/a")).status], [200, 200, 429]);
    });
  }));

Deno.test("limitClient() goes by the names that tokens give, wherever a client is", () =>
  withOrigin((exchange) => exchange.reply({ body: "x" }), async ({ ask }) => {
    const tokens = { tv: "0b6f1c2d3e4a5968778695a4b3c2d1e0", kodi: "e0d1c2b3a495867768594a3e2d1c6f0b" };
    const by = (name: keyof typeof tokens, from: string) =>
      ask("/a", { from, headers: { "x-usher-token": tokens[name] } });
    assert.equal((await by("tv", "192.0.2.1")).status, 200);
    assert.equal((await by("tv", "192.0.2.2")).status, 429);
    assert.equal((await by("kodi", "192.0.2.1")).status, 200);
  }, {
    listeners: [{
      ...{ name: "l", pool: "p", rate_limit: { requests: 1, per: "1h", by: "client" } },
      auth: { tokens: { tv: "0b6f1c2d3e4a5968778695a4b3c2d1e0", kodi: "e0d1c2b3a495867768594a3e2d1c6f0b" } },
    }],
  }));
