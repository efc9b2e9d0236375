import assert from "node:assert/strict";
import type { CacheResult } from "../../lib/metrics/gateway_metrics.ts";
import type { CacheNote } from "../../lib/request/cache_note.ts";
import type { Exchange } from "../../lib/request/exchange.ts";
import {
  type AskOptions,
  exchangeFor,
  type GatewayParts,
  type InProcessGateway,
  plainPool,
  sentField,
  withGateway,
  withOrigins,
} from "../pipeline/in_process_gateway.ts";

const NOWHERE = "http://127.0.0.1:1";

/** The exchange of a request that no server has seen. */
function exchangeOf(gateway: InProcessGateway, target: string, options: AskOptions = {}): Exchange {
  return exchangeFor(gateway, `http://films.test${target}`, options);
}

function partsOf(
  more: Partial<GatewayParts> & { listener?: Record<string, unknown>; pool?: Record<string, unknown> } = {},
): GatewayParts {
  const { listener, pool, ...parts } = more;
  return { pools: { p: plainPool([NOWHERE], pool) }, listeners: [{ name: "l", pool: "p", ...listener }], ...parts };
}

function noteOf(result: CacheResult): CacheNote {
  return { result, status: "", ageSeconds: null };
}

Deno.test("Exchange takes the listener's prefix off where it is stripped, and puts it back in the log", () =>
  withOrigins([(exchange) => exchange.reply({ body: exchange.head.target })], (origin) =>
    withGateway({
      pools: { p: plainPool([origin!.url]) },
      listeners: [
        { name: "stripped", prefix: "/a", strip_prefix: true, pool: "p" },
        { name: "kept", prefix: "/b", pool: "p" },
      ],
    }, async ({ ask, access }) => {
      const seen = [];
      for (const target of ["/a", "/a/", "/a/x%2Fy?q=1", "/b", "/b/x?q=1"]) seen.push((await ask(target)).text);
      assert.deepEqual(seen, ["/", "/", "/x%2Fy?q=1", "/b", "/b/x?q=1"]);
      assert.deepEqual(access().map(({ target }) => target), ["/a/", "/a/", "/a/x%2Fy?q=1", "/b", "/b/x?q=1"]);
    })));

Deno.test("Exchange takes the client's request id where it is one, and makes its own otherwise", () =>
  withGateway(partsOf(), (gateway) => {
    for (const id of ["mine", "a.b:c-d_1", "x".repeat(128)]) {
      assert.equal(exchangeOf(gateway, "/", { headers: { "x-request-id": id } }).requestId, id);
    }
    const own = ["", "with space", "x".repeat(129), 'quote"', "a,b"].map((id) =>
      exchangeOf(gateway, "/", { headers: { "x-request-id": id } }).requestId
    );
    assert.equal(new Set(own).size, own.length);
    for (const id of own) assert.match(id, /^[0-9a-f]{12}-[0-9a-z]+$/);
    return Promise.resolve();
  }));

Deno.test("Exchange.client is the peer, or the last address that a trusted proxy has seen", () =>
  withGateway(partsOf({ server: { trusted_proxies: ["10.0.0.0/8", "fd00::/8", "unix"] } }), (gateway) => {
    const cases: [from: string, said: string | null, client: string][] = [
      ["203.0.113.1", "198.51.100.1", "203.0.113.1"],
      ["10.0.0.1", null, "10.0.0.1"],
      ["10.0.0.1", "198.51.100.1", "198.51.100.1"],
      ["10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"],
      ["10.0.0.1", "10.0.0.8, 10.0.0.7", "10.0.0.1"],
      ["fd00::1", "2001:db8::1", "2001:db8::1"],
      ["10.0.0.1", "spoofed, 198.51.100.1", "198.51.100.1"],
      ["10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
      ["10.0.0.1", "203.0.113.9, 198.51.100.1:1, 10.0.0.7:80", "198.51.100.1"],
      ["fd00::1", "[2001:db8::1]:4711", "2001:db8::1"],
      ["fd00::1", "[2001:db8::1], [fd00::7]:443", "2001:db8::1"],
      ["10.0.0.1", "[::ffff:198.51.100.1]:9", "198.51.100.1"],
      ["10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"],
      ["10.0.0.1", "", "10.0.0.1"],
      ["unix", "203.0.113.9, 198.51.100.1", "198.51.100.1"],
      ["unix", null, "unix"],
    ];
    for (const [from, said, client] of cases) {
      const headers: Record<string, string> = said === null ? {} : { "x-forwarded-for": said };
      assert.equal(exchangeOf(gateway, "/", { from, headers }).client, client, `${from} ${said}`);
    }
    return Promise.resolve();
  }));

Deno.test("Exchange.key keeps listeners, hosts and queries apart, and nothing else", () =>
  withGateway({
    pools: { p: plainPool([NOWHERE]), off: plainPool([NOWHERE], { forwarded: "off" }) },
    listeners: [
      { name: "one", prefix: "/a", pool: "p" },
      {
        name: "two",
        prefix: "/b",
        strip_prefix: true,
        pool: "p",
        cache: { query: { exclude: ["utm_*"], sort: true } },
      },
    ],
  }, (gateway) => {
    const keyOf = (target: string, init?: AskOptions) => exchangeOf(gateway, target, init).key;
    assert.notEqual(keyOf("/a/x"), keyOf("/b/a/x"));
    assert.notEqual(keyOf("/a/x?b=1&a=2"), keyOf("/a/x?a=2&b=1"));
    assert.equal(keyOf("/b/x?b=1&a=2&utm_source=m"), keyOf("/b/x?a=2&b=1"));
    assert.equal(keyOf("/a/x"), keyOf("/a/x", { method: "HEAD", headers: { accept: "image/*" }, from: "10.0.0.1" }));
    return Promise.resolve();
  }));

Deno.test("Exchange.rewrite changes what GET and HEAD are answered with, and nothing else", () =>
  withGateway(partsOf({ listener: { overrides: [{ path: "/**", merge: { b: 2 } }] } }), (gateway) => {
    const methods = ["GET", "HEAD", "OPTIONS", "POST"];
    const changed = methods.filter((method) => exchangeOf(gateway, "/a", { method }).rewrite !== null);
    assert.deepEqual(changed, ["GET", "HEAD"]);
    return Promise.resolve();
  }));

Deno.test("Exchange.inBackground() asks with GET, is not counted, and outlives the request's fields", () =>
  withGateway(partsOf(), (gateway) => {
    const exchange = exchangeOf(gateway, "/a", { method: "HEAD", headers: { "x-own": "1" } });
    const quiet = exchange.inBackground();
    assert.deepEqual([quiet.method, quiet.key, quiet.header("x-own")], ["GET", exchange.key, "1"]);
    quiet.finish({ status: 200, bytes: 1, note: noteOf("miss") });
    assert.deepEqual(gateway.results(), {});
    assert.equal(gateway.access().length, 0);
    assert.equal(quiet.fillsToTheEnd, true);
    return Promise.resolve();
  }));

Deno.test("Exchange.finish() counts a request under its status, bytes and cache result, and those that left apart", () =>
  withGateway(partsOf(), (gateway) => {
    const exchange = exchangeOf(gateway, "/a?api_key=0123456789abcdef0123456789abcdef");
    gateway.clock.advance(30);
    exchange.finish({ status: 404, bytes: 7, note: noteOf("hit_disk") });
    exchange.finish({ status: 200, bytes: 3, note: noteOf("miss"), aborted: true });
    const counts = gateway.gateway.counts.listeners["l"]!;
    assert.deepEqual([counts.requests, counts.responseBytes, counts.byClass], [2, 10, [1, 0, 0, 0, 1, 0]]);
    assert.deepEqual(gateway.results(), { hit_disk: 1, miss: 1 });
    assert.deepEqual(gateway.access().map(({ status, ms }) => [status, ms]), [[404, 30], [499, 30]]);
    assert.ok(!JSON.stringify(gateway.access()).includes("0123456789abcdef"));
    return Promise.resolve();
  }));

Deno.test("Exchange.finish() writes no access line for what the configuration leaves out", () =>
  withGateway({ ...partsOf(), access: "errors" }, (gateway) => {
    const finish = (status: number, more = {}) =>
      exchangeOf(gateway, "/a").finish({ status, bytes: 0, note: noteOf("none"), ...more });
    finish(200);
    finish(502);
    finish(502, { aborted: true });
    assert.deepEqual(gateway.access().map(({ status }) => status), [502]);
    return Promise.resolve();
  }));

Deno.test("Exchange passes the same request id to the origin, the client and the log", () =>
  withOrigins(
    [(exchange) => exchange.reply()],
    (origin) =>
      withGateway({ ...partsOf(), pools: { p: plainPool([origin!.url]) } }, async ({ ask, access }) => {
        const answer = await ask("/a");
        const id = answer.headers.get("x-request-id");
        assert.deepEqual([sentField(origin!, "x-request-id"), access()[0]!["id"]], [id, id]);
      }),
  ));

Deno.test("Exchange.begin() counts a request as under way until it has finished, once", () =>
  withGateway(partsOf(), (gateway) => {
    const counts = gateway.gateway.counts.listeners["l"]!;
    const exchange = exchangeOf(gateway, "/a");
    exchange.begin();
    assert.equal(counts.inFlight, 1);
    exchange.inBackground().finish({ status: 200, bytes: 0, note: noteOf("none") });
    assert.equal(counts.inFlight, 1);
    for (let turn = 0; turn < 2; turn++) exchange.finish({ status: 200, bytes: 0, note: noteOf("none") });
    assert.equal(counts.inFlight, 0);
    return Promise.resolve();
  }));
