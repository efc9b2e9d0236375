import assert from "node:assert/strict";
import type { StoredResponse } from "../../lib/cache/stored_response.ts";
import { Exchange } from "../../lib/request/exchange.ts";
import { RequestFields } from "../../lib/http/field_source.ts";
import { splitTarget } from "../../lib/http/target.ts";
import { type Derived, deriveMissing, type Deriver } from "../../lib/pipeline/derive_missing.ts";
import { type InProcessGateway, plainParts, withGateway } from "./in_process_gateway.ts";

/** An exchange as the pipeline would have it, for a request with these fields. */
function exchangeOf({ entrance }: InProcessGateway, headers: Record<string, string> = {}, method = "GET"): Exchange {
  const { services, table } = entrance();
  const request = new Request("http://gateway.test/a", { headers, method });
  const target = splitTarget(request.url)!;
  const tenant = table!.match(target.authority, target.path)!;
  const remoteAddr = { transport: "tcp", hostname: "192.0.2.1", port: 1 } as const;
  return new Exchange({
    services,
    tenant,
    request,
    fields: new RequestFields(request),
    target,
    connection: { remoteAddr },
  });
}

/** What a deriver made of a response that came ten seconds ago, good for `lifetimeMs`. */
function derivedFor(exchange: Exchange, lifetimeMs: number): Derived {
  const atMs = exchange.services.clock.now() - 10_000;
  const stale = { staleWhileRevalidateMs: 60_000, staleIfErrorMs: 60_000 };
  const response: StoredResponse = {
    key: exchange.key,
    status: 200,
    fields: [["content-type", "text/plain"], ["etag", '"cut"'], ["content-length", "7"]],
    body: new TextEncoder().encode("derived"),
    requestTimeMs: atMs,
    responseTimeMs: atMs,
    freshness: { initialAgeMs: 0, lifetimeMs, ...stale, mustRevalidate: false, alwaysValidate: false },
    selectedBy: [],
    tags: [],
    tiers: { memory: true, disk: true },
  };
  return { response, tier: "disk", detail: "smaller" };
}

const fetched = () => new Response("fetched");

function withExchanges(run: (gateway: InProcessGateway) => Promise<void>): Promise<void> {
  return withGateway(plainParts(["http://127.0.0.1:1"]), run);
}

/** Serves a request by a deriver that always has something, good for a minute. */
async function textFor(gateway: InProcessGateway, headers: Record<string, string>): Promise<string> {
  const exchange = exchangeOf(gateway, headers);
  return await (await deriveMissing(exchange, { derive: () => derivedFor(exchange, 60_000) }, fetched)).text();
}

Deno.test("deriveMissing() serves a fresh derived response as a hit, with the age of its source", () =>
  withExchanges(async (gateway) => {
    const exchange = exchangeOf(gateway);
    const deriver: Deriver = { derive: () => Promise.resolve(derivedFor(exchange, 60_000)) };
    const response = await deriveMissing(exchange, deriver, fetched);
    assert.equal(await response.text(), "derived");
    assert.equal(response.headers.get("cache-status"), "usher; hit; ttl=50; detail=smaller");
    assert.equal(response.headers.get("age"), "10");
    assert.deepEqual(gateway.results(), { hit_disk: 1 });
  }));

Deno.test("deriveMissing() answers conditions, ranges and HEAD from the derived response", () =>
  withExchanges(async (gateway) => {
    const same = exchangeOf(gateway, { "if-none-match": '"cut"' });
    const unchanged = await deriveMissing(same, { derive: () => derivedFor(same, 60_000) }, fetched);
    assert.deepEqual([unchanged.status, await unchanged.text()], [304, ""]);
    const ranged = exchangeOf(gateway, { range: "bytes=1-2", "if-range": '"cut"' });
    const part = await deriveMissing(ranged, { derive: () => derivedFor(ranged, 60_000) }, fetched);
    assert.deepEqual([part.status, await part.text()], [206, "er"]);
    const head = exchangeOf(gateway, {}, "HEAD");
    const headed = await deriveMissing(head, { derive: () => derivedFor(head, 60_000) }, fetched);
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
      assert.equal(await (await deriveMissing(exchange, deriver, fetched)).text(), "fetched");
    }
    // A stale one is not served to those either who would take it.
    const easy = exchangeOf(gateway, { "cache-control": "max-stale=600" });
    const response = await deriveMissing(easy, { derive: () => derivedFor(easy, 5_000) }, fetched);
    assert.equal(await response.text(), "fetched");
  }));

Deno.test("deriveMissing() heeds what the request asks for", () =>
  withExchanges(async (gateway) => {
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
      assert.equal(await (await deriveMissing(exchange, deriver, fetched)).text(), "fetched");
    }
    const lines = gateway.lines.filter(({ message }) =>
      message === "A response could not be derived from a stored one"
    );
    assert.deepEqual(lines.map(({ problem }) => problem), ["no memory", "no memory"]);
  }));
