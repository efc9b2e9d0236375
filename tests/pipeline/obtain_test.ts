import assert from "node:assert/strict";
import { storedResponse } from "../../lib/cache/stored_response.ts";
import type { Answer } from "../../lib/request/answer.ts";
import { replyResponse, requestArrival } from "../../lib/server/fetch_adapter.ts";
import type { Exchange } from "../../lib/request/exchange.ts";
import { deliver } from "../../lib/deliver/deliver.ts";
import { handle } from "../../lib/pipeline/pipeline.ts";
import { deriveMissing } from "../../lib/pipeline/obtain.ts";
import type { Derived, Deriver } from "../../lib/request/snapshot.ts";
import {
  answered,
  exchangeFor,
  type InProcessGateway,
  plainParts,
  sentField,
  withGateway,
  withOrigin,
} from "./in_process_gateway.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";

/** An exchange as the pipeline would have it, for a request with these fields. */
function exchangeOf(gateway: InProcessGateway, headers: Record<string, string> = {}, method = "GET"): Exchange {
  return exchangeFor(gateway, "/a", { headers, method });
}

/** What a deriver made of a response that came ten seconds ago, good for `lifetimeMs`. */
function derivedFor(exchange: Exchange, lifetimeMs: number): Derived {
  const atMs = exchange.services.clock.now() - 10_000;
  const stale = { staleWhileRevalidateMs: 60_000, staleIfErrorMs: 60_000 };
  const response = storedResponse({
    key: exchange.key,
    status: 200,
    fields: [["content-type", "text/plain"], ["etag", '"cut"']],
    body: new TextEncoder().encode("derived"),
    requestTimeMs: atMs,
    responseTimeMs: atMs,
    freshness: { initialAgeMs: 0, lifetimeMs, ...stale, mustRevalidate: false, alwaysValidate: false },
    selectedBy: [],
    tags: [],
    tiers: { memory: true, disk: true },
  });
  return { response, tier: "disk", detail: "smaller" };
}

const fetched = (): Answer => ({
  kind: "made",
  note: { result: "miss", status: "", ageSeconds: null },
  status: 200,
  fields: [],
  body: new TextEncoder().encode("fetched"),
});

/** What is sent of what is derived, or of what is fetched in its place. */
async function derivedOr(exchange: Exchange, deriver: Deriver): Promise<Response> {
  const answer = await deriveMissing(exchange, deriver, fetched);
  return replyResponse(await deliver(exchange, answer), exchange.method);
}

function withExchanges(run: (gateway: InProcessGateway) => Promise<void>): Promise<void> {
  return withGateway(plainParts(["http://127.0.0.1:1"]), run);
}

/** Serves a request by a deriver that always has something, good for a minute. */
async function textFor(gateway: InProcessGateway, headers: Record<string, string>): Promise<string> {
  const exchange = exchangeOf(gateway, headers);
  return await (await derivedOr(exchange, { derive: () => derivedFor(exchange, 60_000) })).text();
}

Deno.test("deriveMissing() serves a fresh derived response as a hit, with the age of its source", () =>
  withExchanges(async (gateway) => {
    const exchange = exchangeOf(gateway);
    const deriver: Deriver = { derive: () => Promise.resolve(derivedFor(exchange, 60_000)) };
    const response = await derivedOr(exchange, deriver);
    assert.equal(await response.text(), "derived");
    assert.equal(response.headers.get("cache-status"), "usher; hit; ttl=50; detail=smaller");
    assert.equal(response.headers.get("age"), "10");
    assert.deepEqual(gateway.results(), { hit_disk: 1 });
  }));

Deno.test("deriveMissing() answers conditions, ranges and HEAD from the derived response", () =>
  withExchanges(async (gateway) => {
    const same = exchangeOf(gateway, { "if-none-match": '"cut"' });
    const unchanged = await derivedOr(same, { derive: () => derivedFor(same, 60_000) });
    assert.deepEqual([unchanged.status, await unchanged.text()], [304, ""]);
    const ranged = exchangeOf(gateway, { range: "bytes=1-2", "if-range": '"cut"' });
    const part = await derivedOr(ranged, { derive: () => derivedFor(ranged, 60_000) });
    assert.deepEqual([part.status, await part.text()], [206, "er"]);
    const head = exchangeOf(gateway, {}, "HEAD");
    const headed = await derivedOr(head, { derive: () => derivedFor(head, 60_000) });
    assert.deepEqual([headed.status, headed.headers.get("content-length"), await headed.text()], [200, "7", ""]);
  }));

Deno.test("deriveMissing() fetches where nothing can be derived, or only something stale", () =>
  withExchanges(async (gateway) => {
    const exchange = exchangeOf(gateway);
    const derivers: Deriver[] = [
      { derive: () => null },
      { derive: () => Promise.resolve(null) },
      { derive: () => derivedFor(exchange, 10_000) },
      { derive: () => derivedFor(exchange, 0) },
    ];
    for (const deriver of derivers) {
      assert.equal(await (await derivedOr(exchange, deriver)).text(), "fetched");
    }
    // A stale one is not served to those either who would take it.
    const easy = exchangeOf(gateway, { "cache-control": "max-stale=600" });
    const response = await derivedOr(easy, { derive: () => derivedFor(easy, 5_000) });
    assert.equal(await response.text(), "fetched");
  }));

/** A listener that takes clients' directives so. */
function obeying(cacheControl: string) {
  const cache = { mode: "rfc9111", client_cache_control: cacheControl };
  return { listeners: [{ name: "l", pool: "p", cache }] };
}

/** Ways in which a client wants more than what is stored. */
const IMPATIENT: readonly Record<string, string>[] = [
  { "cache-control": "no-cache" },
  { "cache-control": "max-age=0" },
  { "cache-control": "min-fresh=99" },
  { pragma: "no-cache" },
];

const minute: ScriptedHandler = (exchange) => exchange.reply({ body: "x", fields: [["cache-control", "max-age=60"]] });

for (const { cacheControl, asked } of [{ cacheControl: "ignore", asked: 2 }, { cacheControl: "obey", asked: 18 }]) {
  Deno.test(`clients' directives that have the origin asked: ${cacheControl}`, () =>
    withOrigin(minute, async (gateway, origin) => {
      const ask = async (path: string, headers = {}) => await gateway.ask(path, { headers });
      await ask("/a");
      for (let turn = 0; turn < 4; turn++) for (const headers of IMPATIENT) await ask("/a", headers);
      assert.equal((await ask("/b", { "cache-control": "only-if-cached, no-cache" })).status, 504);
      await ask("/c", { "cache-control": "no-store" });
      assert.equal(origin.heads.length, asked);
    }, obeying(cacheControl)));
}

Deno.test("clients' directives that have the origin asked: limit, one validation of a response in ten seconds", () =>
  withOrigin(minute, async (gateway, origin) => {
    const askedAfter = async (ms: number) => {
      gateway.clock.advance(ms);
      for (const headers of IMPATIENT) await gateway.ask("/a", { headers });
      return origin.heads.length;
    };
    await gateway.ask("/a");
    assert.equal(await askedAfter(0), 1, "what has just come is fresh enough");
    assert.equal(await askedAfter(10_000), 2);
    assert.equal(await askedAfter(9_000), 2);
    assert.equal(await askedAfter(1_000), 3);
    await gateway.ask("/a");
    assert.equal(origin.heads.length, 3);
  }, obeying("limit")));

Deno.test("deriveMissing() heeds what the request asks for", () =>
  withGateway(plainParts(["http://127.0.0.1:1"], obeying("obey")), async (gateway) => {
    assert.equal(await textFor(gateway, {}), "derived");
    assert.equal(await textFor(gateway, { "cache-control": "max-age=30" }), "derived");
    assert.equal(await textFor(gateway, { "cache-control": "max-age=5" }), "fetched");
    assert.equal(await textFor(gateway, { "cache-control": "no-cache" }), "fetched");
    assert.equal(await textFor(gateway, { "if-match": '"cut"' }), "fetched");
    assert.equal(await textFor(gateway, { "if-unmodified-since": "Thu, 01 Jan 2026 00:00:00 GMT" }), "fetched");
  }));

Deno.test("deriveMissing() fetches where the deriver fails, and logs it", () =>
  withExchanges(async (gateway) => {
    const exchange = exchangeOf(gateway);
    const derivers: Deriver[] = [
      { derive: () => Promise.reject(new Error("no memory")) },
      {
        derive() {
          throw new Error("no memory");
        },
      },
    ];
    for (const deriver of derivers) {
      assert.equal(await (await derivedOr(exchange, deriver)).text(), "fetched");
    }
    // The second says the same, and is folded into the first.
    const lines = gateway.lines.filter(({ message }) =>
      message === "A response could not be derived from a stored one"
    );
    assert.deepEqual(lines.map(({ problem }) => problem), ["no memory"]);
  }));

const DATE = "Thu, 01 Jan 2026 00:00:00 GMT";
const stored: ScriptedHandler = (exchange) =>
  exchange.reply({ fields: [["cache-control", "max-age=60"], ["etag", '"v1"'], ["last-modified", DATE]], body: "v1" });

Deno.test("obtain() hands If-Match to the origin where nothing is stored", () =>
  withOrigin(stored, async ({ ask }, origin) => {
    await ask("/a", { headers: { "if-match": '"v1"' } });
    assert.equal(sentField(origin, "if-match"), '"v1"');
  }));

Deno.test("obtain() answers 504 where only a stored response is wanted (RFC 9111 §5.2.1.7)", () =>
  withOrigin(stored, async ({ ask }, origin) => {
    for (const more of [[], [["range", "bytes=0-1"]]]) {
      const headers = [["cache-control", "only-if-cached"], ...more] as [string, string][];
      const answer = await ask("/a", { headers });
      assert.equal(answer.status, 504);
    }
    assert.equal(origin.heads.length, 0);
  }));

Deno.test("obtain() learns from a HEAD what it says of the stored response (RFC 9111 §4.3.5)", async () => {
  let tag = '"v1"';
  const handler: ScriptedHandler = (exchange) =>
    exchange.reply({
      fields: [["cache-control", "max-age=10"], ["etag", tag], ["x-turn", exchange.head.method]],
      body: "v1",
    });
  await withOrigin(handler, async ({ ask, clock }, origin) => {
    await ask("/a");
    clock.advance(20_000);
    assert.match((await ask("/a", { method: "HEAD" })).cacheStatus, /fwd=stale/);
    const renewed = await ask("/a");
    assert.match(renewed.cacheStatus, /hit; ttl=10/);
    assert.deepEqual([renewed.text, renewed.headers.get("x-turn")], ["v1", "HEAD"]);
    clock.advance(20_000);
    tag = '"v2"';
    await ask("/a", { method: "HEAD" });
    assert.match((await ask("/a")).cacheStatus, /fwd=stale/);
    assert.deepEqual(origin.heads.map(({ method }) => method), ["GET", "HEAD", "HEAD", "GET"]);
  });
});

Deno.test("a request of a user's waits for nobody, and nobody waits for it (RFC 9111 §3.5)", async () => {
  const waiting: (() => void)[] = [];
  const handler: ScriptedHandler = async (exchange) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x" });
  };
  await withOrigin(handler, async ({ ask }) => {
    const asked = ["alice", "bob", "carol"].map((user) => ask("/a", { headers: { authorization: user } }));
    while (waiting.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    waiting.forEach((go) => go());
    for (const { cacheStatus } of await Promise.all(asked)) assert.match(cacheStatus, /detail=authorization/);
  });
});

for (const vary of [null, "accept-language"]) {
  const what = vary === null ? "" : ", as a variant too";
  Deno.test(`obtain() serves nothing that an unsafe request has changed, though the store still holds it${what}`, async () => {
    const fields: [string, string][] = [["cache-control", "max-age=60"]];
    if (vary !== null) fields.push(["vary", vary]);
    await withOrigin((exchange) => exchange.reply({ fields, body: "x" }), async (inner, origin) => {
      const { services, table } = inner.entrance();
      // As a worker's that has not heard of the change yet.
      const store = new Proxy(services.store, {
        get(target, name) {
          if (name === "delete") return () => {};
          const value = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      const ask = async (method: string) => {
        const request = new Request("http://gateway.test/a", { method, headers: { host: "gateway.test" } });
        const arrival = requestArrival(request, { connection: { peer: "192.0.2.1", scheme: "http" } });
        const reply = await handle({ services: { ...services, store }, table }, arrival);
        return (await answered(replyResponse(reply, method))).cacheStatus;
      };
      await ask("GET");
      assert.match(await ask("GET"), /hit/);
      inner.clock.advance(1_000);
      await ask("POST");
      assert.doesNotMatch(await ask("GET"), /hit/);
      assert.deepEqual(origin.heads.map(({ method }) => method), ["GET", "POST", "GET"]);
    });
  });
}
