import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Fields } from "../../lib/http/fields.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import {
  type GatewayParts,
  inParts,
  type InProcessGateway,
  plainPool,
  withGateway,
  withOrigins,
} from "../pipeline/in_process_gateway.ts";
import { isDocument, MAX_DOCUMENT_BYTES, plainBody, withoutContentFields } from "../../lib/deliver/document.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const DOCUMENT = `{"images":{"base_url":"http://image.tmdb.org/t/p/" ,
  "secure_base_url":"https:\\/\\/image.tmdb.org\\/t\\/p\\/","poster_sizes":["w92", "original"],"x":1.0},"change_keys":["${
  "a".repeat(2_000)
}"]}`;

/** It begins and ends as a document does, and is none. */
const BROKEN = DOCUMENT.replace('"x":1.0', '"x":1.0.0');

/** The document with both addresses replaced, and no other byte. */
function leadingTo(address: string): string {
  return DOCUMENT.replace('"http://image.tmdb.org/t/p/"', `"${address}"`)
    .replace('"https:\\/\\/image.tmdb.org\\/t\\/p\\/"', `"${address}"`);
}

const json: Fields = [["content-type", "application/json;charset=utf-8"]];
const origins: Fields = [...json, ["etag", 'W/"origin"'], ["cache-control", "public, max-age=60"]];

/** An API and an images listener on one address, over one origin. */
function parts(url: string, api: Record<string, unknown> = {}, more: Partial<GatewayParts> = {}): GatewayParts {
  return {
    pools: {
      api: plainPool([url], { type: "tmdb-api", api_keys: [KEY] }),
      images: plainPool([url], { type: "tmdb-image" }),
    },
    listeners: [
      { name: "l", prefix: "/3", pool: "api", ...api },
      { name: "images", prefix: "/t/p", pool: "images" },
    ],
    ...more,
  };
}

function withTmdb(
  handler: ScriptedHandler,
  run: (gateway: InProcessGateway, heads: () => number) => Promise<void>,
  api: Record<string, unknown> = {},
): Promise<void> {
  return withOrigins(
    [handler],
    (origin) => withGateway(parts(origin!.url, api), (gateway) => run(gateway, () => origin!.heads.length)),
  );
}

const document: ScriptedHandler = (exchange) => exchange.reply({ fields: origins, body: DOCUMENT });
const TARGET = "/3/configuration";

Deno.test("rewrittenForm() replaces the two addresses and not one byte beside them, on a miss and on hits", () =>
  withTmdb(document, async (gateway, heads) => {
    for (const cache of [/fwd=uri-miss/, /hit/, /hit/]) {
      const { text, headers, cacheStatus } = await gateway.ask(TARGET);
      assert.equal(text, leadingTo("http://gateway.test/t/p/"));
      assert.equal(headers.get("content-length"), String(new TextEncoder().encode(text).byteLength));
      assert.match(headers.get("etag")!, /^"[A-Za-z0-9_-]+"$/);
      assert.match(cacheStatus, cache);
    }
    assert.equal(heads(), 1);
  }));

Deno.test("rewrittenForm() leaves what is stored as it came, so that the origin is asked with its own tag", () =>
  withOrigins([inParts(document, (exchange) => {
    assert.ok(exchange.head.fields.some(([name, value]) => name === "if-none-match" && value === 'W/"origin"'));
    return exchange.reply({ status: 304, fields: [["etag", 'W/"origin"'], ["cache-control", "max-age=60"]] });
  })], (origin) =>
    withGateway(parts(origin!.url, { cache: { mode: "rfc9111" } }), async (gateway) => {
      const first = await gateway.ask(TARGET);
      gateway.clock.advance(61_000);
      assert.match((await gateway.ask(TARGET)).cacheStatus, /hit; ttl=-/);
      await gateway.idle();
      const renewed = await gateway.ask(TARGET);
      assert.match(renewed.cacheStatus, /hit; ttl=60/);
      assert.equal(renewed.text, first.text);
      assert.equal(renewed.headers.get("etag"), first.headers.get("etag"));
      assert.equal(origin!.heads.length, 2);
    })));

Deno.test("rewrittenForm() has conditions judged by its own tag, never by dates or by the origin's", () =>
  withTmdb(document, async (gateway, heads) => {
    const etag = (await gateway.ask(TARGET)).headers.get("etag")!;
    const status = async (headers: Record<string, string>) => (await gateway.ask(TARGET, { headers })).status;
    assert.equal(await status({ "if-none-match": etag }), 304);
    assert.equal(await status({ "if-none-match": 'W/"origin"' }), 200);
    assert.equal(await status({ "if-modified-since": new Date(gateway.clock.now()).toUTCString() }), 200);
    assert.equal(await status({ "if-match": etag }), 200);
    assert.equal(await status({ "if-match": '"other"' }), 412);
    assert.equal(heads(), 1);
  }));

Deno.test("rewrittenForm() serves ranges and HEAD of what GET serves, also when nothing is stored yet", () =>
  withTmdb(document, async (gateway, heads) => {
    const head = await gateway.ask(TARGET, { method: "HEAD" });
    const whole = await gateway.ask(TARGET);
    for (const name of ["etag", "content-length", "content-type"]) {
      assert.equal(head.headers.get(name), whole.headers.get(name));
    }
    assert.equal(head.text, "");
    const part = await gateway.ask(TARGET, { headers: { range: "bytes=10-39" } });
    assert.deepEqual([part.status, part.text], [206, whole.text.slice(10, 40)]);
    assert.equal(heads(), 1);
    const other = await gateway.ask(`${TARGET}?language=de`, { headers: { range: "bytes=0-3" } });
    assert.deepEqual([other.status, other.text], [206, whole.text.slice(0, 4)]);
  }));

Deno.test("rewrittenForm() is compressed on its own for each public address", () =>
  withTmdb(document, async (gateway) => {
    const ask = async (host: string) => {
      const response = await gateway.send(TARGET, { headers: { host, "accept-encoding": "gzip" } });
      return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
    };
    for (const host of ["one.test", "two.test"]) await ask(host);
    await gateway.idle();
    for (const host of ["one.test", "two.test"]) {
      const { response, bytes } = await ask(host);
      assert.equal(response.headers.get("content-encoding"), "gzip");
      assert.equal(new TextDecoder().decode(gunzipSync(bytes)), leadingTo(`http://${host}/t/p/`));
    }
  }, { cache: { compress: { codings: ["gzip"] } } }));

Deno.test("rewrittenForm() keeps nothing of the hosts of a hostile client beyond a few", () =>
  withTmdb(document, async (gateway) => {
    for (let round = 0; round < 200; round++) {
      const host = `h${round}.test`;
      const response = await gateway.send(TARGET, { headers: { host, "accept-encoding": "gzip" } });
      const bytes = new Uint8Array(await response.arrayBuffer());
      const isCoded = response.headers.get("content-encoding") === "gzip";
      assert.equal(new TextDecoder().decode(isCoded ? gunzipSync(bytes) : bytes), leadingTo(`http://${host}/t/p/`));
      await gateway.idle();
    }
    const { entries } = gateway.gateway.services.store.stats().memory;
    assert.ok(entries <= 17, `${entries} entries`);
    assert.equal((await gateway.ask(TARGET)).text, leadingTo("http://gateway.test/t/p/"));
  }, { cache: { compress: { codings: ["gzip"] } } }));

Deno.test("rewrittenForm() leaves other documents, other statuses and what is no JSON as they are", () =>
  withTmdb((exchange) => {
    const { target } = exchange.head;
    if (target.includes("broken")) return exchange.reply({ fields: origins, body: BROKEN });
    if (target.includes("callback")) {
      return exchange.reply({ fields: [["content-type", "application/javascript"]], body: `f(${DOCUMENT})` });
    }
    if (target.includes("gone")) return exchange.reply({ status: 404, fields: json, body: DOCUMENT });
    return exchange.reply({ fields: origins, body: target.includes("shape") ? '{"images":[]}' : DOCUMENT });
  }, async (gateway) => {
    const text = async (target: string) => (await gateway.ask(target)).text;
    assert.equal(await text("/3/movie/550"), DOCUMENT);
    assert.equal(await text(`${TARGET}?broken=1`), BROKEN);
    assert.equal(await text(`${TARGET}?gone=1`), DOCUMENT);
    assert.equal(await text(`${TARGET}?shape=1`), '{"images":[]}');
    assert.equal(await text(`${TARGET}?callback=f`), `f(${DOCUMENT})`);
    assert.equal((await gateway.ask(`${TARGET}?shape=1`)).headers.get("etag"), 'W/"origin"');
  }));

Deno.test("rewrittenForm() works on a body that was stored compressed", () =>
  withOrigins([(exchange) =>
    exchange.reply({
      fields: [...json, ["content-encoding", "gzip"], ["cache-control", "max-age=60"], ["vary", "accept-encoding"]],
      body: gzipSync('{"a":1.0}'),
    })], (origin) =>
    withGateway({
      pools: { p: plainPool([origin!.url]) },
      listeners: [{ name: "l", pool: "p", overrides: [{ path: "/**", merge: { b: 2 } }] }],
    }, async (gateway) => {
      for (let round = 0; round < 2; round++) {
        const { text, headers } = await gateway.ask("/a", { headers: { "accept-encoding": "gzip" } });
        assert.equal(text, '{"a":1.0,"b":2}');
        assert.equal(headers.get("content-encoding"), null);
      }
      assert.ok(origin!.heads[0]!.fields.some(([name, value]) => name === "accept-encoding" && value === "identity"));
    })));

Deno.test("rewrittenForm() reaches those who wait for the fetch of another, changed or not", () => {
  const large = `{"a":"${"x".repeat(400_000)}"}`;
  const fields = `content-type: application/json\r\ncache-control: max-age=60\r\ncontent-length: ${large.length}`;
  let goOn = () => {};
  const asked = new Promise<void>((resolve) => goOn = resolve);
  return withOrigins([async (exchange) => {
    await exchange.write(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${large.slice(0, 100_000)}`);
    await asked;
    await exchange.write(large.slice(100_000));
  }], (origin) =>
    withGateway({
      pools: { p: plainPool([origin!.url]) },
      listeners: [{
        name: "l",
        pool: "p",
        cache: { query: { exclude: ["*"] } },
        overrides: [{ path: "/**", query: { x: "1" }, merge: { b: 2 } }],
      }],
    }, async (gateway) => {
      const first = await gateway.send("/a");
      const others = ["/a?x=1", "/a?x=2", "/a?x=1"].map((target) => gateway.ask(target));
      goOn();
      assert.equal(await first.text(), large);
      const changed = `${large.slice(0, -1)},"b":2}`;
      assert.deepEqual((await Promise.all(others)).map(({ text }) => text), [changed, large, changed]);
      assert.equal((await gateway.ask("/a?x=1")).text, changed);
      assert.equal(origin!.heads.length, 1);
    }));
});

Deno.test("rewrittenForm() has it said once that a front proxy is not trusted", () =>
  withTmdb(document, async (gateway) => {
    const headers = { "x-forwarded-proto": "https" };
    for (let round = 0; round < 3; round++) {
      assert.equal((await gateway.ask(TARGET, { headers })).text, leadingTo("http://gateway.test/t/p/"));
    }
    const said = gateway.lines.filter(({ message }) => /trusted_proxies/.test(String(message)));
    assert.deepEqual(said.map(({ listener, peer }) => [listener, peer]), [["l", "192.0.2.9"]]);
  }));

Deno.test("isDocument() takes JSON of a good size that can be read", () => {
  const of = (more: Fields, status = 200, length: number | null = 10) =>
    isDocument({ status, fields: [...json, ...more] }, length);
  assert.equal(of([]), true);
  assert.equal(of([], 200, null), true);
  assert.equal(of([["content-encoding", "GZip"]]), true);
  assert.equal(of([["content-encoding", "br"]]), false);
  assert.equal(of([], 206), false);
  assert.equal(of([], 200, MAX_DOCUMENT_BYTES + 1), false);
  assert.equal(isDocument({ status: 200, fields: [["content-type", "text/html"]] }, 10), false);
});

Deno.test("withoutContentFields() leaves nothing that describes the bytes", () => {
  const fields: Fields = [["etag", '"1"'], ["content-length", "3"], ["accept-ranges", "bytes"], ["last-modified", "x"]];
  assert.deepEqual(withoutContentFields([...fields, ...json]), json);
});

Deno.test("plainBody() decodes gzip, within bounds, and nothing else", () => {
  const of = (coding: string | null, body: Uint8Array<ArrayBuffer>) => {
    const fields: Fields = coding === null ? [] : [["content-encoding", coding]];
    return plainBody({ fields, body });
  };
  const text = new TextEncoder().encode("{}");
  assert.equal(of(null, text), text);
  assert.equal(of("identity", text), text);
  assert.deepEqual(of("gzip", new Uint8Array(gzipSync(text))), text);
  assert.equal(of("gzip", text), null);
  assert.equal(of("gzip", new Uint8Array(gzipSync(new Uint8Array(MAX_DOCUMENT_BYTES + 1)))), null);
});
