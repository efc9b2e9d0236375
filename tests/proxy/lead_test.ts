import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { ScriptedExchange, ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually, plainParts, sentField, withGateway, withOrigin, withOrigins } from "./in_process_gateway.ts";

const old = [["cache-control", "max-age=10"], ["etag", '"v1"'], ["x-turn", "1"]] as [string, string][];

/** An origin that plays one part after the other, the last one for ever. */
function parts(...handlers: ScriptedHandler[]): ScriptedHandler {
  let turn = 0;
  return (exchange) => handlers[Math.min(turn++, handlers.length - 1)]!(exchange);
}

const first: ScriptedHandler = (exchange) => exchange.reply({ fields: old, body: "old" });
const notModified = (fields: [string, string][]): ScriptedHandler => (exchange) =>
  exchange.write(`HTTP/1.1 304 Not Modified\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);

Deno.test("lead() renews a stale response with a 304: the body stays, the fields and the lifetime are new", () =>
  withOrigin(
    parts(first, notModified([["cache-control", "max-age=100"], ["etag", '"v1"'], ["x-turn", "2"]])),
    async (gateway, origin) => {
      await gateway.ask("/a");
      gateway.clock.advance(20_000);
      const renewed = await gateway.ask("/a", { headers: { "if-none-match": '"other"' } });
      assert.deepEqual([renewed.status, renewed.text, renewed.headers.get("x-turn")], [200, "old", "2"]);
      assert.equal(renewed.cacheStatus, "usher; fwd=stale; fwd-status=304; stored; ttl=100");
      assert.equal(sentField(origin, "if-none-match"), '"v1"');
      assert.match((await gateway.ask("/a")).cacheStatus, /hit; ttl=100/);
      assert.equal(origin.heads.length, 2);
      assert.deepEqual(gateway.results(), { hit_memory: 1, revalidated: 1, miss: 1 });
    },
  ));

Deno.test("lead() answers a client's own condition from the renewed response", () =>
  withOrigin(parts(first, notModified([["etag", '"v1"']])), async (gateway) => {
    await gateway.ask("/a");
    gateway.clock.advance(20_000);
    const answer = await gateway.ask("/a", { headers: { "if-none-match": '"v1"' } });
    assert.deepEqual([answer.status, answer.text], [304, ""]);
  }));

for (const attempts of [3, 1]) {
  Deno.test(`lead() asks again without conditions when a 304 speaks of another response, with ${attempts} attempts`, () =>
    withOrigin(
      parts(first, notModified([["etag", '"v2"']]), (exchange) => exchange.reply({ fields: old, body: "new" })),
      async (gateway, origin) => {
        await gateway.ask("/a");
        gateway.clock.advance(20_000);
        assert.equal((await gateway.ask("/a")).text, "new");
        assert.equal(sentField(origin, "if-none-match"), null);
        assert.equal((await gateway.ask("/a")).text, "new");
        assert.equal(origin.heads.length, 3);
      },
      { pool: { retry: { attempts } } },
    ));
}

Deno.test("lead() replaces a stale response with what came in its place", () =>
  withOrigin(parts(first, (exchange) => exchange.reply({ fields: old, body: "new" })), async (gateway) => {
    await gateway.ask("/a");
    gateway.clock.advance(20_000);
    assert.deepEqual([(await gateway.ask("/a")).text, (await gateway.ask("/a")).text], ["new", "new"]);
  }));

const lasting = [["cache-control", "max-age=10, stale-if-error=60"], ["etag", '"v1"']] as [string, string][];
const failures: [string, ScriptedHandler][] = [
  ["a 503", (exchange) => exchange.reply({ status: 503 })],
  ["a reset", (exchange) => exchange.reset()],
  ["a page", (exchange) => exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>" })],
  ["a body that breaks off", async (exchange) => {
    await exchange.write(
      "HTTP/1.1 200 OK\r\ncache-control: max-age=5\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nnew",
    );
    exchange.reset();
  }],
];
for (const [what, failure] of failures) {
  Deno.test(`lead() serves a stale response within stale-if-error after ${what}, and an error past it`, () =>
    withOrigin(
      parts(
        (exchange) => exchange.reply({ fields: [...lasting, ["content-type", "text/plain"]], body: "old" }),
        failure,
      ),
      async (gateway) => {
        await gateway.ask("/a");
        gateway.clock.advance(30_000);
        const stale = await gateway.ask("/a");
        assert.deepEqual([stale.status, stale.text], [200, "old"]);
        assert.match(stale.cacheStatus, /fwd=stale;.*detail=stale-if-error/);
        assert.equal(stale.headers.get("age"), "30");
        assert.deepEqual(gateway.results(), { stale: 1, miss: 1 });
        gateway.clock.advance(60_000);
        const cannotBeReached = what !== "a 503";
        // RFC 9111 §4.2.4: at any age where the upstream cannot be reached.
        assert.equal((await gateway.ask("/a")).status, cannotBeReached ? 200 : 503);
      },
      { pool: { content_types: { allow: ["text/plain"] }, retry: { attempts: 2 } } },
    ));
}

Deno.test("lead() never serves what must be revalidated stale", () =>
  withOrigin(
    parts(
      (exchange) =>
        exchange.reply({
          fields: [["cache-control", "max-age=10, must-revalidate, stale-if-error=60"], ["etag", '"1"']],
        }),
      (exchange) => exchange.reset(),
    ),
    async (gateway) => {
      await gateway.ask("/a");
      gateway.clock.advance(30_000);
      assert.equal((await gateway.ask("/a")).status, 502);
    },
    { pool: { retry: { attempts: 1 } } },
  ));

Deno.test("lead() tells those who wait that a response is not to be shared, and remembers it for the next", () => {
  const held: ScriptedExchange[] = [];
  const first: ScriptedHandler = (exchange) =>
    exchange.reply({ fields: [["cache-control", "private"]], body: "first" });
  return withOrigin(first, async (gateway, origin) => {
    const early = await Promise.all([gateway.ask("/a"), gateway.ask("/a")]);
    assert.equal(origin.heads.length, 2);
    assert.match(early[0]!.cacheStatus, /fwd=uri-miss; detail=private$/);
    assert.match(early[1]!.cacheStatus, /detail=not-shared$/);
    // From now on nobody waits for anybody: three at a time reach the origin, which waits for all of them.
    origin.handle(async (exchange) => {
      held.push(exchange);
      await eventually("three requests are here", () => held.length >= 3);
      await exchange.reply({ fields: [["cache-control", "private"]], body: `for ${exchange.connection}` });
    });
    const late = await Promise.all([gateway.ask("/a"), gateway.ask("/a"), gateway.ask("/a")]);
    assert.equal(new Set(late.map(({ text }) => text)).size, 3);
    assert.match(late[0]!.cacheStatus, /detail=hit-for-miss$/);
  });
});

Deno.test("lead() fetches a body that broke off once more, from another upstream", () =>
  withOrigins(
    [async (exchange) => {
      await exchange.write("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 100\r\n\r\nhalf");
      exchange.reset();
    }, (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "whole" })],
    (broken, good) =>
      withGateway(plainParts([broken!.url, good!.url]), async ({ ask, gateway, access }) => {
        assert.equal((await ask("/a")).text, "whole");
        assert.match((await ask("/a")).cacheStatus, /hit/);
        assert.deepEqual(gateway.counts.upstreams["p"]![broken!.url]!.outcomes, { unreachable: 1 });
        assert.equal(access()[0]!["upstream"], good!.url);
      }),
  ));

Deno.test("lead() answers 502 when every body breaks off, to all who wait", () =>
  withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 100\r\n\r\nhalf");
    await exchange.wait(20);
    exchange.reset();
  }, async (gateway, origin) => {
    const answers = await Promise.all([gateway.ask("/a"), gateway.ask("/a"), gateway.ask("/a")]);
    assert.deepEqual(answers.map(({ status }) => status), [502, 502, 502]);
    assert.equal(origin.heads.length, 2);
    assert.deepEqual(gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes, { unreachable: 2 });
  }, { pool: { retry: { attempts: 2 } } }));

Deno.test("lead() stores the decoded form of what it asked for in gzip, and weakens its entity tag", () =>
  withOrigin((exchange) =>
    exchange.reply({
      fields: [["content-type", "application/json"], ["content-encoding", "gzip"], ["etag", '"coded"']],
      body: gzipSync('{"id":603}'),
    }), async (gateway, origin) => {
    for (let turn = 0; turn < 2; turn++) {
      const answer = await gateway.ask("/3/movie/603", { headers: { "accept-encoding": "br" } });
      assert.equal(answer.text, '{"id":603}');
      assert.equal(answer.headers.get("content-encoding"), null);
      assert.equal(answer.headers.get("content-length"), "10");
      assert.equal(answer.headers.get("etag"), 'W/"coded"');
    }
    assert.equal(sentField(origin, "accept-encoding"), "gzip");
    assert.equal(origin.heads.length, 1);
  }, { pool: { type: "tmdb-api" } }));

Deno.test("lead() answers 502 for content that decodes to more than max_entry, and holds on to nothing", () =>
  withOrigin((exchange) =>
    exchange.reply({
      fields: [["content-type", "application/json"], ["content-encoding", "gzip"]],
      body: gzipSync(new Uint8Array(4 << 20)),
    }), async (gateway) => {
    const answer = await gateway.ask("/3/movie/603");
    assert.equal(answer.status, 502);
    assert.equal(JSON.parse(answer.text).success, false);
  }, { pool: { type: "tmdb-api" }, cache: { max_entry: "1MiB" } }));
