import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import {
  eventually,
  type InProcessGateway,
  plainParts,
  withGateway,
  withOrigins,
} from "../pipeline/in_process_gateway.ts";

const REQUESTS = 200;
const AT_ONCE = 20;
/** The share of the requests, and what is made before it shows that retries are of no use. */
const MOST_TRIES = REQUESTS * 1.2 + 3 + 16 + AT_ONCE * 0.2;

const json: [string, string] = ["content-type", "application/json"];
const fresh: [string, string] = ["cache-control", "max-age=60"];
const status = (code: number, more: [string, string][] = []): ScriptedHandler => (exchange) =>
  exchange.reply({ status: code, fields: [json, ...more], body: "{}" });

const well: ScriptedHandler = (exchange) => exchange.reply({ fields: [json, fresh], body: '{"well":true}' });

/** Ways in which an upstream fails, each of which puts load on it. */
const FAILURES: ReadonlyArray<readonly [name: string, handler: ScriptedHandler]> = [
  ["answers 503", status(503)],
  ["answers 500", status(500)],
  ["answers 429 without Retry-After", status(429)],
  ["answers 503 with Retry-After: 30", status(503, [["retry-after", "30"]])],
  ["resets", (exchange) => exchange.reset()],
  [
    "answers a block page",
    (exchange) => exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>no</h1>" }),
  ],
  ["is no HTTP", (exchange) => exchange.write("SMTP ready\r\n\r\n").then(() => exchange.end())],
  ["breaks off in the body", async (exchange) => {
    await exchange.write(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\n{",
    );
    exchange.reset();
  }],
];

const POOL = { content_types: { allow: ["application/json"] }, timeouts: { total: "20s" } };

/** Asks for so many different targets, and counts the statuses. */
async function askMany({ ask }: InProcessGateway, requests: number, atOnce: number): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  let next = 0;
  const askOneByOne = async () => {
    while (next < requests) {
      const { status } = await ask(`/${next++}`);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, askOneByOne));
  return statuses;
}

for (const [name, handler] of FAILURES) {
  Deno.test(`askUpstreams() makes few more tries than requests where each of three upstreams ${name}`, () =>
    withOrigins(
      [handler, handler, handler],
      (...origins) =>
        withGateway(plainParts(origins.map(({ url }) => url), { pool: POOL }), async (gateway) => {
          const statuses = await askMany(gateway, REQUESTS, AT_ONCE);
          assert.equal(statuses.get(200) ?? 0, 0);
          const tries = origins.reduce((sum, { heads }) => sum + heads.length, 0);
          assert.ok(tries <= MOST_TRIES, `${tries} tries of ${REQUESTS} requests`);
          const { retries, retriesRefused } = gateway.gateway.snapshot.pools[0]!.counts;
          assert.equal(retries, tries - REQUESTS);
          assert.ok(retriesRefused >= REQUESTS - retries, `${retriesRefused} refused, ${retries} made`);
          assert.equal(gateway.gateway.snapshot.pools[0]!.retries.waiting, 0);
        }),
    ));

  Deno.test(`askUpstreams() fails no request where one of two upstreams ${name}`, () =>
    withOrigins(
      [handler, well],
      (...origins) =>
        withGateway(plainParts(origins.map(({ url }) => url), { pool: POOL }), async (gateway) => {
          assert.deepEqual([...await askMany(gateway, 60, AT_ONCE)], [[200, 60]]);
          assert.equal(gateway.gateway.snapshot.pools[0]!.counts.retriesRefused, 0);
        }),
    ));
}

for (const atOnce of [1, 30]) {
  Deno.test(`askUpstreams() fails no request where two of three upstreams answer 503, ${atOnce} at once`, () =>
    withOrigins(
      [status(503), status(503), well],
      (...origins) =>
        withGateway(plainParts(origins.map(({ url }) => url)), async (gateway) => {
          assert.deepEqual([...await askMany(gateway, 90, atOnce)], [[200, 90]]);
          assert.equal(gateway.gateway.snapshot.pools[0]!.counts.retriesRefused, 0);
        }),
    ));
}

Deno.test("askUpstreams() goes back to retries soon after one of three upstreams is well again", () =>
  withOrigins(
    [status(503), status(503), status(503)],
    (...origins) =>
      withGateway(plainParts(origins.map(({ url }) => url)), async (gateway) => {
        await askMany(gateway, 60, 10);
        const { counts } = gateway.gateway.snapshot.pools[0]!;
        const refused = counts.retriesRefused;
        assert.ok(refused > 0);
        origins[2]!.handle(well);
        let last = refused;
        for (let from = 1_000; from < 3_000; from += 20) {
          last = counts.retriesRefused;
          for (let id = from; id < from + 20; id++) await gateway.ask(`/${id}`);
          if (counts.retriesRefused === last) break;
        }
        assert.equal(counts.retriesRefused, last, "none is refused any more");
      }),
  ));

for (const handlers of [[status(503)], [status(503), status(500)]]) {
  const { length } = handlers;
  Deno.test(`askUpstreams() takes no retry and nothing of a key's rate once ${length} of ${length} upstreams have failed`, () =>
    withOrigins(handlers, (...origins) => {
      const pool = { type: "tmdb-api", health: false, api_keys: ["1".repeat(32)], timeouts: { total: "20s" } };
      // Of the rate there is as much as there are tries to make, and the clock stands.
      const p = { ...pool, key_limits: { max_rps: 1, burst: length }, upstreams: origins.map(({ url }) => url) };
      return withGateway({ pools: { p }, listeners: [{ name: "l", prefix: "/", pool: "p" }] }, async (gateway) => {
        assert.ok((await gateway.ask("/3/movie/1")).status >= 500);
        assert.deepEqual(origins.map(({ heads }) => heads.length), handlers.map(() => 1));
        const { retries, retriesRefused, credentialQueued } = gateway.gateway.snapshot.pools[0]!.counts;
        assert.deepEqual([retries, retriesRefused, credentialQueued], [length - 1, 0, 0]);
      });
    }));
}

Deno.test("askUpstreams() says what the upstream answered where a retry was refused after a wait for a key", () =>
  withOrigins([status(503), status(503)], (...origins) => {
    const pool = { type: "tmdb-api", health: false, api_keys: ["1".repeat(32)], timeouts: { total: "2m" } };
    const p = { ...pool, key_limits: { max_rps: 1, burst: 1 }, upstreams: origins.map(({ url }) => url) };
    const parts = { pools: { p }, listeners: [{ name: "l", prefix: "/", pool: "p" }] };
    return withGateway(parts, async ({ ask, clock, gateway }) => {
      const { keyRoom, retries } = gateway.snapshot.pools[0]!;
      const asked = ask("/3/movie/1");
      await eventually("it waits for a key", () => keyRoom.size === 1);
      for (let place = 0; place < 4; place++) retries.tryTake();
      for (let end = 0; end < 32; end++) retries.requestEnded(false);
      clock.advance(1_000);
      const answer = await asked;
      assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "5"]);
      assert.match(JSON.parse(answer.text).status_message, /answered 503/);
    });
  }));
