import assert from "node:assert/strict";
import { plainParts, sentField, withGateway, withOrigin, withOrigins } from "../pipeline/in_process_gateway.ts";

const fresh: [string, string][] = [["cache-control", "max-age=60"]];

Deno.test("outgoingRequest() keeps hop-by-hop fields and those that Connection names here", () =>
  withOrigin((exchange) => exchange.reply(), async ({ ask }, origin) => {
    await ask("/a", {
      headers: {
        connection: "x-hop, keep-alive",
        "x-hop": "1",
        "keep-alive": "timeout=5",
        "proxy-authorization": "Basic c2VjcmV0",
        "proxy-connection": "keep-alive",
        te: "trailers",
        upgrade: "h2c",
        "x-end": "1",
      },
    });
    for (const name of ["x-hop", "keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade"]) {
      assert.equal(sentField(origin, name), null, name);
    }
    assert.equal(sentField(origin, "x-end"), "1");
  }));

Deno.test("outgoingRequest() adds itself to Via and CDN-Loop, behind others, and hands the request id on", () =>
  withOrigin((exchange) => exchange.reply(), async ({ ask }, origin) => {
    await ask("/a");
    assert.equal(sentField(origin, "via"), "1.1 usher");
    assert.equal(sentField(origin, "cdn-loop"), "usher-test");
    assert.match(sentField(origin, "x-request-id")!, /^[0-9a-f]{12}-/);
    await ask("/b", { headers: { via: "1.0 before", "cdn-loop": "other", "x-request-id": "mine" } });
    assert.equal(sentField(origin, "via"), "1.0 before, 1.1 usher");
    assert.equal(sentField(origin, "cdn-loop"), "other, usher-test");
    assert.equal(sentField(origin, "x-request-id"), "mine");
  }));

Deno.test("outgoingRequest() keeps the client's conditions and ranges out of a fetch for the cache", () =>
  withOrigin((exchange) => exchange.reply({ fields: fresh, body: "x" }), async ({ ask }, origin) => {
    const date = "Fri, 02 Jan 2026 00:00:00 GMT";
    const answerable = { "if-none-match": '"1"', "if-modified-since": date, "if-range": '"1"' };
    await ask("/a", { headers: answerable });
    for (const name of Object.keys(answerable)) assert.equal(sentField(origin, name), null, name);
    // An upstream's own answer is wanted, to a change, to what only the origin can judge, and to a range.
    const all = { ...answerable, "if-match": '"1"', "if-unmodified-since": date };
    for (
      const [target, init] of [["/b", { method: "PUT" }], ["/c", {}], ["/d", {
        headers: { range: "bytes=0-1" },
      }]] as const
    ) {
      const headers: Record<string, string> = { ...all, ..."headers" in init ? init.headers : {} };
      await ask(target, { ...init, headers });
      for (const [name, value] of Object.entries(headers)) assert.equal(sentField(origin, name), value, target);
    }
  }));

Deno.test("outgoingRequest() names the upstream's host, or the client's where the pool preserves it", async () => {
  await withOrigin((exchange) => exchange.reply(), async ({ ask }, origin) => {
    await ask("/a", { headers: { host: "films.test" } });
    assert.equal(sentField(origin, "host"), new URL(origin.url).host);
  });
  await withOrigin((exchange) => exchange.reply(), async ({ ask }, origin) => {
    await ask("/a", { headers: { host: "films.test:81" } });
    assert.equal(sentField(origin, "host"), "films.test:81");
  }, { pool: { preserve_host: true } });
});

Deno.test("outgoingRequest() tells upstreams of the client, and believes only trusted proxies", async () => {
  const said = { "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https", forwarded: "for=198.51.100.7" };
  await withOrigin((exchange) => exchange.reply(), async ({ ask }, origin) => {
    await ask("/a", { headers: said, from: "203.0.113.5" });
    assert.equal(sentField(origin, "x-forwarded-for"), "203.0.113.5");
    assert.equal(sentField(origin, "x-forwarded-proto"), "http");
    assert.equal(sentField(origin, "forwarded"), null);
    await ask("/b", { headers: said, from: "10.1.2.3" });
    assert.equal(sentField(origin, "x-forwarded-for"), "198.51.100.7, 10.1.2.3");
    assert.equal(sentField(origin, "x-forwarded-proto"), "https");
  }, { server: { trusted_proxies: ["10.0.0.0/8"] } });
  await withOrigin((exchange) => exchange.reply(), async ({ ask }, origin) => {
    await ask("/a", { headers: said });
    for (const name of Object.keys(said)) assert.equal(sentField(origin, name), null, name);
  }, { pool: { forwarded: "off" } });
});

Deno.test("outgoingRequest() puts the upstream's base path before the path, and the query behind it as it came", () =>
  withOrigins(
    [(exchange) => exchange.reply()],
    (origin) =>
      withGateway(plainParts([`${origin!.url}/base/`]), async ({ ask }) => {
        await ask("/a%2Fb?x=1&&y=%20");
        assert.equal(origin!.heads.at(-1)!.target, "/base/a%2Fb?x=1&&y=%20");
      }),
  ));

Deno.test("what a trusted proxy says of scheme and host is part of the key, since upstreams answer by it", () =>
  withOrigin((exchange) => exchange.reply({ fields: fresh, body: "x" }), async ({ ask }, origin) => {
    const from = "10.1.2.3";
    const said = [
      {},
      { "x-forwarded-proto": "https" },
      { "x-forwarded-host": "other.test" },
      { "x-forwarded-for": "198.51.100.7" },
      { "x-forwarded-proto": "https" },
    ];
    for (const headers of said) await ask("/a", { headers: headers as Record<string, string>, from });
    assert.equal(origin.heads.length, 3);
    await ask("/a", { headers: { "x-forwarded-proto": "https" }, from: "203.0.113.5" });
    assert.equal(origin.heads.length, 3);
  }, { server: { trusted_proxies: ["10.0.0.0/8"] } }));

Deno.test("forward_fields of a listener pass on what speaks for a proxy, from anybody, and a change is one for all values", () =>
  withOrigin((exchange) => exchange.reply({ fields: fresh, body: "x" }), async ({ ask, clock }, origin) => {
    const ask1 = (value: string) => ask("/a", { headers: { "x-forwarded-prefix": value, "x-forwarded-ssl": "on" } });
    await ask1("/x");
    assert.equal(sentField(origin, "x-forwarded-prefix"), "/x");
    assert.equal(sentField(origin, "x-forwarded-ssl"), null);
    assert.match((await ask1("/x")).cacheStatus, /; hit/);
    assert.match((await ask1("/y")).cacheStatus, /fwd=uri-miss/);
    assert.match((await ask("/a")).cacheStatus, /fwd=uri-miss/);
    clock.advance(10);
    await ask("/a", { method: "POST", body: "x" });
    for (const value of ["/x", "/y"]) assert.match((await ask1(value)).cacheStatus, /fwd=uri-miss/, value);
  }, { listeners: [{ name: "l", pool: "p", forward_fields: ["X-Forwarded-Prefix"] }] }));
