import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import type { ScriptedExchange, ScriptedHandler } from "../origins/scripted_origin.ts";
import {
  eventually,
  inParts,
  type InProcessGateway,
  plainPool,
  sentField,
  withGateway,
  withOrigin,
  withOrigins,
} from "./in_process_gateway.ts";

const json: Fields = [["content-type", "application/json"]];
const overridden = { name: "l", pool: "p", overrides: [{ path: "/**", merge: { b: 2 } }] };
const uncached = { listeners: [{ ...overridden, cache: { mode: "off" } }] };
const cached = { listeners: [overridden] };

const document = (more: Fields = [], body = '{"a":1.0}'): ScriptedHandler => (exchange) =>
  exchange.reply({ fields: [...json, ...more], body });

Deno.test("streamAnswer() changes documents that are not stored: no cache, not for it, not for sharing", async () => {
  await withOrigin(document([["etag", '"o"']]), async (gateway) => {
    const { text, headers } = await gateway.ask("/a");
    assert.equal(text, '{"a":1.0,"b":2}');
    assert.equal(headers.get("content-length"), "15");
    assert.notEqual(headers.get("etag"), '"o"');
  }, uncached);
  await withOrigin(document([["cache-control", "private"]]), async (gateway) => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => gateway.ask("/a")));
    for (const { text } of [...answers, await gateway.ask("/a")]) assert.equal(text, '{"a":1.0,"b":2}');
  }, cached);
});

Deno.test("streamAnswer() keeps what belongs to one user private, and changes it too", () =>
  withOrigins([document([["cache-control", "public, max-age=60"]])], (origin) =>
    withGateway({
      pools: { p: plainPool([origin!.url], { type: "tmdb-api" }) },
      listeners: [{ ...overridden, prefix: "/3" }],
    }, async (gateway) => {
      for (let round = 0; round < 2; round++) {
        const { text, headers } = await gateway.ask("/3/account?session_id=secret");
        assert.equal(text, '{"a":1.0,"b":2}');
        assert.equal(headers.get("cache-control"), "private, no-store");
      }
      assert.equal(origin!.heads.length, 2);
    })));

Deno.test("streamAnswer() asks for the whole and judges conditions and ranges itself", () =>
  withOrigin(document([["etag", '"o"'], ["accept-ranges", "bytes"]]), async (gateway, origin) => {
    const etag = (await gateway.ask("/a")).headers.get("etag")!;
    const ask = (headers: Record<string, string>) => gateway.ask("/a", { headers });
    assert.equal((await ask({ "if-none-match": etag })).status, 304);
    assert.equal((await ask({ "if-none-match": '"o"' })).status, 200);
    assert.equal((await ask({ "if-match": '"o"' })).status, 412);
    const part = await ask({ range: "bytes=8-", "accept-encoding": "br" });
    assert.deepEqual([part.status, part.text], [206, ',"b":2}']);
    for (const name of ["if-none-match", "if-match", "range"]) {
      assert.ok(origin.heads.every(({ fields }) => fields.every(([field]) => field !== name)), name);
    }
    assert.equal(sentField(origin, "accept-encoding"), "identity");
  }, uncached));

Deno.test("streamAnswer() leaves out of HEAD what is not known without the document", () =>
  withOrigin(
    document([["etag", '"o"'], ["last-modified", "Fri, 02 Jan 2026 00:00:00 GMT"]]),
    async (gateway, origin) => {
      const { status, headers } = await gateway.ask("/a", { method: "HEAD" });
      assert.equal(status, 200);
      assert.equal(origin.heads[0]!.method, "HEAD");
      assert.deepEqual(["etag", "content-length", "last-modified"].map((name) => headers.get(name)), [
        null,
        null,
        null,
      ]);
      assert.equal(headers.get("content-type"), "application/json");
    },
    uncached,
  ));

Deno.test("streamAnswer() passes on what cannot be changed, and all of a document that is too large", async () => {
  const large = `{"a":"${"x".repeat(5 << 20)}"}`;
  const inChunks: ScriptedHandler = async (exchange) => {
    await exchange.write(
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    for (let at = 0; at < large.length; at += 1 << 20) {
      const chunk = large.slice(at, at + (1 << 20));
      await exchange.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
    }
    await exchange.write("0\r\n\r\n");
  };
  const page: ScriptedHandler = (exchange) =>
    exchange.reply({ fields: [["content-type", "text/html"], ["etag", '"o"']], body: "{}" });
  const parts = [page, document([], large), inChunks, document([["content-encoding", "br"]], "{}")];
  for (const options of [uncached, cached]) {
    await withOrigin(inParts(...parts), async (gateway) => {
      const { text, headers } = await gateway.ask("/page");
      assert.deepEqual([text, headers.get("etag")], ["{}", '"o"']);
      assert.equal((await gateway.ask("/large")).text, large);
      assert.equal((await gateway.ask("/chunks")).text, large);
      assert.equal((await gateway.ask("/coded")).text, "{}");
    }, options);
  }
});

/** An origin of videos, which knows ranges and conditions. */
const video: ScriptedHandler = (exchange) => {
  const fields: Fields = [["content-type", "video/mp4"], ["etag", '"v"']];
  const has = (name: string, value: string) =>
    exchange.head.fields.some(([field, text]) => field === name && text === value);
  if (has("if-none-match", '"v"')) return exchange.reply({ status: 304, fields });
  if (!has("range", "bytes=2-3")) return exchange.reply({ fields, body: "0123456789" });
  return exchange.reply({ status: 206, fields: [...fields, ["content-range", "bytes 2-3/10"]], body: "23" });
};

Deno.test("mustAskAgain() has the origin answer for what is no document, however wide the patch reaches", async () => {
  for (const [options, asked] of [[uncached, 5], [cached, 3]] as const) {
    await withOrigin(video, async (gateway, origin) => {
      const part = await gateway.ask("/a", { headers: { range: "bytes=2-3" } });
      assert.deepEqual([part.status, part.text, part.headers.get("content-range")], [206, "23", "bytes 2-3/10"]);
      assert.equal((await gateway.ask("/a", { headers: { "if-none-match": '"v"' } })).status, 304);
      const head = await gateway.ask("/a", { method: "HEAD" });
      assert.equal(head.headers.get("etag"), '"v"');
      assert.equal(origin.heads.length, asked);
      assert.equal(origin.heads.at(-1)!.method, "HEAD");
    }, options);
  }
});

Deno.test("mustAskAgain() never sends twice what may change something", () =>
  withOrigins(
    [(exchange) => exchange.reply({ fields: [["content-type", "text/plain"]], body: "token" })],
    (origin) =>
      withGateway({
        pools: { p: plainPool([origin!.url], { type: "tmdb-api", content_types: { allow: ["text/plain"] } }) },
        listeners: [{ ...overridden, prefix: "/3" }],
      }, async (gateway) => {
        const headers = { "if-none-match": '"x"', range: "bytes=0-1" };
        assert.equal((await gateway.ask("/3/authentication/token/new", { headers })).text, "token");
        assert.equal(origin!.heads.length, 1);
      }),
  ));

Deno.test("streamAnswer() answers with an error where a document breaks off", () =>
  withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{");
    exchange.reset();
  }, async (gateway) => {
    assert.equal((await gateway.ask("/a")).status, 502);
    await gateway.idle();
  }, uncached));

Deno.test("streamAnswer() streams a document on where there is no room to hold it", () =>
  withOrigin(
    document([["cache-control", "no-store"]], `{"a":"${"x".repeat(2 << 20)}"}`),
    async (gateway: InProcessGateway) => {
      assert.equal((await gateway.ask("/a")).text.length, (2 << 20) + 8);
    },
    { ...cached, cache: { fill_memory: "1MiB", max_entry: "1MiB" } },
  ));

Deno.test("streamAnswer() passes unsafe requests through as they are", () =>
  withOrigin(document([], '{"a":1}'), async (gateway, origin) => {
    const { text } = await gateway.ask("/a", { method: "POST", body: "x", headers: { "if-match": '"o"' } });
    assert.equal(text, '{"a":1}');
    assert.equal(sentField(origin, "if-match"), '"o"');
  }, cached));

Deno.test("storeResponse() tells those who wait that a response is not to be shared, and remembers it for the next", () => {
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
