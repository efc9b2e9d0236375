import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { type InProcessGateway, sentField, withOrigin } from "../pipeline/in_process_gateway.ts";

const BODY = "0123456789abcdef".repeat(250);
const listeners = [{ name: "l", pool: "p", cache: { compress: { enabled: true, codings: ["gzip", "br"] } } }];

function origin(more: [string, string][] = [], body: string | Uint8Array = BODY): ScriptedHandler {
  const fields: [string, string][] = [["cache-control", "max-age=60"], ["content-type", "text/plain"], ...more];
  return (exchange) => exchange.reply({ fields, body });
}

async function bytesOf(gateway: InProcessGateway, headers: Record<string, string>) {
  const response = await gateway.send("/a", { headers });
  return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
}

const gzip = { "accept-encoding": "gzip" };

Deno.test("deliver() serves the coding, made once, to the first as to all others", () =>
  withOrigin(origin([["etag", '"v1"']]), async (gateway, { heads }) => {
    const first = await bytesOf(gateway, gzip);
    assert.equal(first.response.headers.get("content-encoding"), "gzip");
    assert.equal(first.response.headers.get("vary"), "Accept-Encoding");
    assert.match(first.response.headers.get("cache-status")!, /fwd=uri-miss.*stored/);
    assert.equal(new TextDecoder().decode(gunzipSync(first.bytes)), BODY);
    await gateway.idle();
    for (let round = 0; round < 3; round++) {
      const { response, bytes } = await bytesOf(gateway, gzip);
      assert.equal(response.headers.get("content-encoding"), "gzip");
      assert.equal(response.headers.get("content-length"), String(bytes.byteLength));
      assert.equal(response.headers.get("etag"), '"v1-gzip"');
      assert.match(response.headers.get("cache-status")!, /hit/);
      assert.equal(new TextDecoder().decode(gunzipSync(bytes)), BODY);
    }
    assert.equal(gateway.gateway.services.store.stats().memory.entries, 2);
    assert.equal(heads.length, 1);
  }, { listeners }));

Deno.test("deliver() answers 304 by the tag of the form that the client has", () =>
  withOrigin(origin([["etag", '"v1"']]), async (gateway) => {
    await gateway.ask("/a", { headers: gzip });
    await gateway.idle();
    const ask = (headers: Record<string, string>) => gateway.ask("/a", { headers });
    const known = await ask({ ...gzip, "if-none-match": '"v1-gzip"' });
    assert.deepEqual([known.status, known.headers.get("etag")], [304, '"v1-gzip"']);
    assert.equal(known.headers.get("vary"), "Accept-Encoding");
    assert.equal((await ask({ ...gzip, "if-none-match": '"v1"' })).status, 200);
    assert.equal((await ask({ "if-none-match": '"v1-gzip"' })).status, 200);
    assert.equal((await ask({ "if-none-match": '"v1"' })).status, 304);
  }, { listeners }));

Deno.test("deliver() serves ranges of the identity form, and identity to those who take nothing else", () =>
  withOrigin(origin(), async (gateway) => {
    await gateway.ask("/a", { headers: gzip });
    await gateway.idle();
    const range = await gateway.ask("/a", { headers: { ...gzip, range: "bytes=0-3" } });
    assert.deepEqual([range.status, range.text, range.headers.get("content-encoding")], [206, "0123", null]);
    for (const value of ["identity", "gzip;q=0, br;q=0", "deflate"]) {
      assert.equal((await gateway.ask("/a", { headers: { "accept-encoding": value } })).text, BODY, value);
    }
    const head = await gateway.ask("/a", { method: "HEAD", headers: gzip });
    assert.equal(head.headers.get("content-encoding"), "gzip");
  }, { listeners }));

for (
  const [what, fields, body] of [
    ["Set-Cookie", [["set-cookie", "a=b"]], BODY],
    ["no-transform", [["cache-control", "no-transform"]], BODY],
    ["a small body", [], "small"],
  ] as const
) {
  Deno.test(`deliver() leaves ${what} alone`, () =>
    withOrigin(origin(fields.map(([name, value]) => [name, value]), body), async (gateway) => {
      for (let round = 0; round < 3; round++) {
        const answer = await gateway.ask("/a", { headers: gzip });
        assert.deepEqual([answer.text, answer.headers.get("vary")], [body, null]);
        await gateway.idle();
      }
    }, { listeners: [{ name: "l", pool: "p", cache: { compress: true, set_cookie: "store" } }] }));
}

Deno.test("deliver() keeps as it is what coding makes hardly smaller, for those who ask later too", () => {
  const noise = crypto.getRandomValues(new Uint8Array(3000));
  return withOrigin(origin([], noise), async (gateway) => {
    for (let round = 0; round < 3; round++) {
      // What was not worth it is remembered by its key, beyond this test.
      const response = await gateway.send("/noise", { headers: gzip });
      assert.deepEqual(new Uint8Array(await response.arrayBuffer()), noise);
      assert.equal(response.headers.get("content-encoding"), null);
      await gateway.idle();
    }
    assert.equal(gateway.gateway.services.store.stats().memory.entries, 1);
  }, { listeners });
});

Deno.test("deliver() makes the coding of a new body anew, and uses that of a renewed one on", () => {
  let turn = 0;
  const handler: ScriptedHandler = (exchange) => {
    turn++;
    const fields: [string, string][] = [["cache-control", "max-age=10"], ["content-type", "text/plain"]];
    if (turn === 2) {
      return exchange.write('HTTP/1.1 304 Not Modified\r\netag: "v1"\r\ncache-control: max-age=10\r\n\r\n');
    }
    return exchange.reply({
      fields: [...fields, ["etag", turn === 1 ? '"v1"' : '"v2"']],
      body: turn === 1 ? BODY : BODY.toUpperCase(),
    });
  };
  return withOrigin(handler, async (gateway) => {
    const text = async () => {
      const { response, bytes } = await bytesOf(gateway, gzip);
      const isCoded = response.headers.get("content-encoding") === "gzip";
      return [isCoded, new TextDecoder().decode(isCoded ? gunzipSync(bytes) : bytes)] as const;
    };
    assert.deepEqual(await text(), [true, BODY]);
    await gateway.idle();
    assert.deepEqual(await text(), [true, BODY]);
    gateway.clock.advance(20_000);
    assert.deepEqual(await text(), [true, BODY]);
    gateway.clock.advance(20_000);
    assert.deepEqual(await text(), [true, BODY.toUpperCase()]);
    await gateway.idle();
    assert.deepEqual(await text(), [true, BODY.toUpperCase()]);
  }, { listeners });
});

Deno.test("deliver() sends no coded form to a request whose If-Match the stored one has met", () => {
  const listeners = [{ name: "l", pool: "p", cache: { compress: true } }];
  const fields: [string, string][] = [["cache-control", "max-age=60"], ["content-type", "text/plain"], [
    "etag",
    '"v1"',
  ]];
  return withOrigin((exchange) => exchange.reply({ fields, body: "text ".repeat(2_000) }), async (gateway) => {
    const asked = async (more: Record<string, string>) =>
      (await gateway.ask("/a", { headers: { "accept-encoding": "gzip", ...more } })).headers.get("etag");
    await asked({});
    await gateway.idle();
    assert.equal(await asked({}), '"v1-gzip"');
    assert.equal(await asked({ "if-match": '"v1"' }), '"v1"');
  }, { listeners });
});

const DATE = "Thu, 01 Jan 2026 00:00:00 GMT";
const dated: ScriptedHandler = (exchange) =>
  exchange.reply({ fields: [["cache-control", "max-age=60"], ["etag", '"v1"'], ["last-modified", DATE]], body: "v1" });

Deno.test("needsOrigin() leaves If-Match and If-Unmodified-Since that fail to the origin (RFC 9111 §4.3.2)", () =>
  withOrigin(dated, async ({ ask }, origin) => {
    await ask("/a");
    for (const [name, value] of [["if-match", '"v1"'], ["if-match", "*"], ["if-unmodified-since", DATE]] as const) {
      assert.match((await ask("/a", { headers: { [name]: value } })).cacheStatus, /hit/, `${name}: ${value}`);
    }
    const refused = [["if-match", '"v2"'], ["if-match", 'W/"v1"'], [
      "if-unmodified-since",
      "Wed, 31 Dec 2025 00:00:00 GMT",
    ]] as const;
    for (const [name, value] of refused) {
      const answer = await ask("/a", { headers: { [name]: value } });
      assert.match(answer.cacheStatus, /fwd=request; detail=precondition/);
      assert.equal(sentField(origin, name), value);
    }
    assert.equal(origin.heads.length, 1 + refused.length);
  }));
