import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { inParts, plainParts, sentField, withGateway, withOrigin, withOrigins } from "./in_process_gateway.ts";

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
