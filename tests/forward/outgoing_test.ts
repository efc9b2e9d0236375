import assert from "node:assert/strict";
import { ATTEMPT_FIELD, attemptFields, type Sending, triesAllowed } from "../../lib/forward/outgoing.ts";
import type { Exchange } from "../../lib/request/exchange.ts";
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

/** A request and its pool, as far as another Usher is told of its tries. */
interface Facts {
  readonly fields?: Readonly<Record<string, string>>;
  readonly isTrusted?: boolean;
  readonly tries?: number;
  readonly attempts?: number;
  /** For each upstream of the pool whether it takes requests. */
  readonly upstreams?: readonly boolean[];
  readonly method?: string;
  readonly private?: string | null;
}

function exchangeOf(facts: Facts) {
  const { fields = {}, isTrusted = false, tries = 1, attempts = 3, upstreams = [true, true] } = facts;
  return {
    method: facts.method ?? "GET",
    private: facts.private ?? null,
    header: (name: string) => fields[name] ?? null,
    peer: "192.0.2.1",
    tries,
    services: { instanceId: "me-1234", settings: { isTrusted: () => isTrusted }, clock: { now: () => 0 } },
    tenant: {
      pool: {
        attempts,
        pool: { upstreams: upstreams.map((isIn) => ({ weight: 1, isIn: () => isIn })) },
      },
    },
  } as unknown as Exchange;
}

function sendingTo(usher: boolean, body: unknown = null): Sending {
  return { endpoint: { usher }, ask: { body } } as unknown as Sending;
}

Deno.test("triesAllowed() is one for what a trusted gateway tries again itself", () => {
  const fields = { [ATTEMPT_FIELD]: "1" };
  assert.equal(triesAllowed(exchangeOf({ fields, isTrusted: true })), 1);
  assert.equal(triesAllowed(exchangeOf({ fields, isTrusted: false })), 3);
  assert.equal(triesAllowed(exchangeOf({ isTrusted: true })), 3);
});

Deno.test("attemptFields() tells another Usher only while somebody else can be asked after it", () => {
  const told = (facts: Facts, sending = sendingTo(true)) => attemptFields(exchangeOf(facts), sending);
  assert.deepEqual(told({}), [[ATTEMPT_FIELD, "1"]]);
  assert.deepEqual(told({}, sendingTo(false)), []);
  assert.deepEqual(told({}, sendingTo(true, {})), []);
  assert.deepEqual(told({ method: "DELETE" }), []);
  assert.deepEqual(told({ private: "session" }), []);
  assert.deepEqual(told({ tries: 2 }), []);
  assert.deepEqual(told({ tries: 2, upstreams: [true, true, true] }), [[ATTEMPT_FIELD, "2"]]);
  assert.deepEqual(told({ upstreams: [true] }), []);
  assert.deepEqual(told({ upstreams: [true, false] }), []);
  assert.deepEqual(told({ attempts: 1 }), []);
  assert.deepEqual(told({ fields: { [ATTEMPT_FIELD]: "1" }, isTrusted: true }), []);
});
