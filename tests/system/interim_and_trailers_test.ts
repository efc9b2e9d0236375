import assert from "node:assert/strict";
import { fieldValue } from "../../lib/http/fields.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { parseHead, rawRequest, requestText, textOf } from "./_raw_client.ts";
import { openRaw } from "../raw_connection.ts";
import { type ScriptedGateway, startScriptedGateway } from "./_scripted_gateway.ts";
import { sharedByTests } from "./_shared.ts";
import { customPool } from "./test_config.ts";

const HINTS = "HTTP/1.1 103 Early Hints\r\nlink: </styles.css>; rel=preload; as=style\r\nx-hint: one\r\n\r\n";
const PROCESSING = "HTTP/1.1 102 Processing\r\n\r\n";

const shared = sharedByTests((stack) =>
  startScriptedGateway(
    stack,
    () => {},
    (url) => ({ pools: { any: customPool([url], { timeouts: { first_byte: "20s" } }) } }),
  )
);

/** The gateway of several tests, and an origin that does as one of them says. */
async function scripted(handler: ScriptedHandler): Promise<ScriptedGateway> {
  const pair = await shared();
  pair.origin.handle(handler);
  return pair;
}

Deno.test("an interim response reaches the client before the upstream has answered", async () => {
  const hintSeen = Promise.withResolvers<void>();
  const { gateway } = await scripted(async (exchange) => {
    await exchange.write(HINTS);
    await hintSeen.promise;
    await exchange.reply({ fields: [["cache-control", "no-store"]], body: "whole" });
  });
  using client = await openRaw(gateway.port);
  client.send(requestText("GET /hinted"));
  const interim = parseHead((await client.inbox.takeThrough("\r\n\r\n")).slice(0, -4));
  hintSeen.resolve();
  const final = parseHead((await client.inbox.takeThrough("\r\n\r\n")).slice(0, -4));
  assert.equal(interim.status, 103);
  assert.equal(fieldValue(interim.fields, "link"), "</styles.css>; rel=preload; as=style");
  assert.equal(fieldValue(interim.fields, "x-hint"), "one");
  assert.equal(final.status, 200);
  assert.equal(fieldValue(final.fields, "x-hint"), null);
  assert.equal(textOf(await client.inbox.take(5)), "whole");
});

Deno.test("interim responses come in order, once, and are never stored", async () => {
  const { origin, gateway } = await scripted(async (exchange) => {
    await exchange.write(PROCESSING + HINTS);
    await exchange.reply({ fields: [["cache-control", "max-age=600"]], body: "stored" });
  });
  const before = origin.heads.length;
  const first = await rawRequest(gateway.port, requestText("GET /stored"));
  assert.deepEqual(first.interim.map(({ status }) => status), [102, 103]);
  assert.equal(textOf(first.body), "stored");
  const second = await rawRequest(gateway.port, requestText("GET /stored"));
  assert.match(second.field("cache-status") ?? "", /; hit/);
  assert.deepEqual(second.interim, []);
  assert.equal(textOf(second.body), "stored");
  assert.equal(origin.heads.length, before + 1);
});

Deno.test("an interim response goes to no client of HTTP/1.0, and none of its fields that concern the hop", async () => {
  const { gateway } = await scripted(async (exchange) => {
    await exchange.write(
      "HTTP/1.1 103 Early Hints\r\nconnection: x-hop\r\nx-hop: secret\r\ncontent-length: 9\r\nlink: </a>\r\n\r\n",
    );
    await exchange.reply({ fields: [["cache-control", "no-store"]], body: "whole" });
  });
  const old = await rawRequest(gateway.port, "GET /old HTTP/1.0\r\nhost: gateway.test\r\n\r\n");
  assert.deepEqual([old.status, old.interim, textOf(old.body)], [200, [], "whole"]);
  const { interim } = await rawRequest(gateway.port, requestText("GET /new"));
  assert.deepEqual(interim.map(({ status }) => status), [103]);
  const names = interim[0]!.fields.map(([name]) => name);
  assert.deepEqual(names.filter((name) => ["link", "connection", "x-hop", "content-length"].includes(name)), ["link"]);
});

Deno.test("no client learns the upstream's key from an interim response that repeats it", async () => {
  await using stack = new AsyncDisposableStack();
  const key = "0123456789abcdef0123456789abcdef";
  const { origin, gateway } = await startScriptedGateway(stack, async (exchange) => {
    await exchange.write(`HTTP/1.1 103 Early Hints\r\nlink: <${exchange.head.target}>; rel=preload\r\n\r\n`);
    await exchange.reply({ fields: [["content-type", "application/json"]], body: "{}" });
  }, (url) => ({
    pools: {
      any: { type: "tmdb-api", health: false, api_keys: [key], upstreams: [url], timeouts: { first_byte: "30s" } },
    },
  }));
  const { interim, status } = await rawRequest(gateway.port, requestText("GET /3/movie/1"));
  assert.equal(status, 200);
  assert.match(origin.heads[0]!.raw, new RegExp(key));
  assert.deepEqual(interim.map(({ status }) => status), [103]);
  assert.doesNotMatch(JSON.stringify(interim), new RegExp(key));
});

const withTrailers: ScriptedHandler = async (exchange) => {
  await exchange.write(
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\ncache-control: no-store\r\n\r\n",
  );
  await exchange.write("5\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 12345\r\ncontent-length: 3\r\n\r\n");
};

Deno.test("trailers reach a client that asks for them, and no other", async () => {
  const { origin, gateway } = await scripted(withTrailers);
  const asking = await rawRequest(
    gateway.port,
    "GET /asking HTTP/1.1\r\nhost: gateway.test\r\nconnection: te, close\r\nte: trailers\r\n\r\n",
  );
  assert.ok(asking.isComplete);
  assert.equal(textOf(asking.body), "hello world");
  // A field that frames the message has no place there (RFC 9110 section 6.5.1).
  assert.deepEqual(asking.trailers, [["x-sum", "12345"]]);
  const plain = await rawRequest(gateway.port, requestText("GET /plain"));
  assert.ok(plain.isComplete);
  assert.equal(textOf(plain.body), "hello world");
  assert.deepEqual(plain.trailers, []);
  assert.deepEqual(origin.failures, []);
});
