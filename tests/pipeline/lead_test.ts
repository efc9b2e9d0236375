import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import {
  eventually,
  inParts,
  plainParts,
  sentField,
  withGateway,
  withOrigin,
  withOrigins,
} from "./in_process_gateway.ts";

const old = [["cache-control", "max-age=10"], ["etag", '"v1"'], ["x-turn", "1"]] as [string, string][];

const first: ScriptedHandler = (exchange) => exchange.reply({ fields: old, body: "old" });
Deno.test("lead() replaces a stale response with what came in its place", () =>
  withOrigin(inParts(first, (exchange) => exchange.reply({ fields: old, body: "new" })), async (gateway) => {
    await gateway.ask("/a");
    gateway.clock.advance(20_000);
    assert.deepEqual([(await gateway.ask("/a")).text, (await gateway.ask("/a")).text], ["new", "new"]);
  }));

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
        assert.deepEqual({ ...gateway.counts.upstreams["p"]![broken!.url]!.outcomes }, { unreachable: 1 });
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
    assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { unreachable: 2 });
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

Deno.test("lead() answers 502 for content that decodes to more than max_entry and any document, and holds on to nothing", () =>
  withOrigin((exchange) =>
    exchange.reply({
      fields: [["content-type", "application/json"], ["content-encoding", "gzip"]],
      body: gzipSync(new Uint8Array(17 << 20)),
    }), async (gateway) => {
    const answer = await gateway.ask("/3/movie/603");
    assert.equal(answer.status, 502);
    assert.equal(JSON.parse(answer.text).success, false);
  }, { pool: { type: "tmdb-api" }, cache: { max_entry: "1MiB" } }));

const notModified = (fields: [string, string][]): ScriptedHandler => (exchange) =>
  exchange.write(`HTTP/1.1 304 Not Modified\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);

Deno.test("renewStored() renews a stale response with a 304: the body stays, the fields and the lifetime are new", () =>
  withOrigin(
    inParts(first, notModified([["cache-control", "max-age=100"], ["etag", '"v1"'], ["x-turn", "2"]])),
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

Deno.test("renewStored() answers a client's own condition from the renewed response", () =>
  withOrigin(inParts(first, notModified([["etag", '"v1"']])), async (gateway) => {
    await gateway.ask("/a");
    gateway.clock.advance(20_000);
    const answer = await gateway.ask("/a", { headers: { "if-none-match": '"v1"' } });
    assert.deepEqual([answer.status, answer.text], [304, ""]);
  }));

for (const attempts of [3, 1]) {
  Deno.test(`renewStored() asks again without conditions when a 304 speaks of another response, with ${attempts} attempts`, () =>
    withOrigin(
      inParts(first, notModified([["etag", '"v2"']]), (exchange) => exchange.reply({ fields: old, body: "new" })),
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

Deno.test("lead() ends the upstream's request when its only client leaves and nothing is filled in the background", () =>
  withOrigin((exchange) => exchange.hang(), async (gateway, origin) => {
    const client = new AbortController();
    const response = fetch(`${await gateway.serve()}/a`, { signal: client.signal });
    await eventually("the request is at the origin", () => origin.heads.length === 1);
    client.abort();
    await response.catch(() => {});
    await eventually("the origin's connection is closed", () => origin.open === 0);
  }, { cache: { background_fill: false } }));
