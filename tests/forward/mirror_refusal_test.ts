import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { type InProcessGateway, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

const ONE = "0123456789abcdef0123456789abcdef";
const OTHER = "f".repeat(32);

const INVALID =
  '{"status_code":7,"status_message":"Invalid API key: You must be granted a valid key.","success":false}';

function refusing(contentType: string | null, body = INVALID): ScriptedHandler {
  return (exchange) =>
    exchange.reply({ status: 401, fields: contentType === null ? [] : [["content-type", contentType]], body });
}

const json = "application/json;charset=utf-8";

/** Answers as TMDB does to those who show one of these keys. */
function taking(...keys: string[]): ScriptedHandler {
  return (exchange) => {
    const key = /api_key=([0-9a-f]{32})/.exec(exchange.head.target)?.[1];
    if (!keys.includes(key ?? "")) {
      return exchange.reply({ status: 401, fields: [["content-type", json]], body: INVALID });
    }
    return exchange.reply({ fields: [["content-type", json], ["cache-control", "max-age=60"]], body: '{"id":1}' });
  };
}

/** Upstreams that are asked in turn, with these keys. */
function parts(urls: readonly string[], keys: readonly string[]) {
  const pool = { type: "tmdb-api", strategy: "round-robin", health: false, api_keys: keys, upstreams: urls };
  return { pools: { p: { ...pool, slow_start: "0s" } }, listeners: [{ name: "l", prefix: "/3", pool: "p" }] };
}

/** Asks for new paths; how often each status came. */
async function askMany({ ask }: InProcessGateway, requests: number, atOnce = 1): Promise<Record<number, number>> {
  const statuses: Record<number, number> = {};
  let next = 0;
  const askOneByOne = async () => {
    while (next < requests) {
      const { status } = await ask(`/3/movie/${1_000 + next++}`);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, askOneByOne));
  return statuses;
}

function keyStates({ gateway }: InProcessGateway): string[] {
  return gateway.snapshot.pools[0]!.credentials().map(({ state }) => state);
}

const MIRRORS: ReadonlyArray<readonly [name: string, handler: ScriptedHandler]> = [
  ["with TMDB's own words", refusing(json)],
  ["in plain text", refusing("text/plain", "Unauthorized")],
  ["with a page", refusing("text/html", "<html><body>Unauthorized</body></html>")],
  ["without a word", refusing(null, "")],
];

for (const keys of [[ONE], [ONE, OTHER]]) {
  for (const [name, handler] of MIRRORS) {
    Deno.test(`askUpstreams() takes a mirror out that refuses ${keys.length} good keys ${name}, and leaves the keys in`, () =>
      withOrigins(
        [handler, taking(ONE, OTHER)],
        (mirror, good) =>
          withGateway(parts([mirror!.url, good!.url], keys), async (gateway) => {
            assert.deepEqual(await askMany(gateway, 40, 4), { 200: 40 });
            assert.deepEqual(keyStates(gateway), keys.map(() => "ready"));
            const { pool } = gateway.gateway.snapshot.pools[0]!;
            const [out, kept] = pool.upstreams;
            assert.deepEqual([out!.circuit(gateway.clock.now()), kept!.circuit(gateway.clock.now())], [
              "open",
              "closed",
            ]);
            const before = mirror!.heads.length;
            assert.deepEqual(await askMany(gateway, 10), { 200: 10 });
            assert.equal(mirror!.heads.length, before, "nobody asks it any more");
          }),
      ));
  }
}

Deno.test("askUpstreams() asks on after a mirror's refusal where the pool makes no second tries", () =>
  withOrigins(
    [refusing(json), refusing("text/plain", "Unauthorized"), refusing(null, ""), taking(ONE)],
    (...origins) => {
      const { pools: { p }, ...more } = parts(origins.map(({ url }) => url), [ONE]);
      return withGateway({ ...more, pools: { p: { ...p, retry: { attempts: 1 } } } }, async (gateway) => {
        assert.deepEqual(await askMany(gateway, 40, 4), { 200: 40 });
        assert.deepEqual(keyStates(gateway), ["ready"]);
      });
    },
  ));

Deno.test("askUpstreams() ejects a key that both mirrors refuse, and blames neither", () =>
  withOrigins(
    [taking(OTHER), taking(OTHER)],
    (...origins) =>
      withGateway(parts(origins.map(({ url }) => url), [ONE, OTHER]), async (gateway) => {
        assert.deepEqual(await askMany(gateway, 30, 3), { 200: 30 });
        assert.deepEqual(keyStates(gateway), ["refused", "ready"]);
        const { pool } = gateway.gateway.snapshot.pools[0]!;
        for (const upstream of pool.upstreams) assert.equal(upstream.circuit(gateway.clock.now()), "closed");
      }),
  ));

Deno.test("askUpstreams() ejects a key that is taken back while both mirrors are in use, and passes TMDB's word on", () =>
  withOrigins(
    [taking(ONE), taking(ONE)],
    (...origins) =>
      withGateway(parts(origins.map(({ url }) => url), [ONE]), async (gateway) => {
        assert.deepEqual(await askMany(gateway, 4), { 200: 4 });
        for (const origin of origins) origin.handle(refusing(json));
        const answer = await gateway.ask("/3/movie/1");
        assert.deepEqual([answer.status, JSON.parse(answer.text).status_code], [401, 7]);
        assert.deepEqual(keyStates(gateway), ["refused"]);
      }),
  ));

Deno.test("askUpstreams() goes by the key alone while no other upstream is in", () =>
  withOrigins(
    [taking(OTHER)],
    (good) =>
      withGateway(parts([good!.url, "http://127.0.0.1:1"], [ONE, OTHER]), async (gateway) => {
        assert.deepEqual(await askMany(gateway, 30), { 200: 30 });
        assert.deepEqual(keyStates(gateway), ["refused", "ready"]);
      }),
  ));

Deno.test("askUpstreams() says that the mirror is to blame where the one that takes the keys has gone", () =>
  withOrigins(
    [refusing(json), taking(ONE)],
    (mirror, good) =>
      withGateway(parts([mirror!.url, good!.url], [ONE]), async (gateway) => {
        assert.deepEqual(await askMany(gateway, 4), { 200: 4 });
        await good!.close();
        const answers = [await gateway.ask("/3/movie/1"), await gateway.ask("/3/movie/2")];
        for (const { status, headers } of answers) {
          assert.ok(status === 502 || status === 503, String(status));
          assert.match(headers.get("retry-after") ?? "", /^[1-9]/);
        }
        assert.deepEqual(keyStates(gateway), ["ready"]);
      }),
  ));

Deno.test("askUpstreams() learns nothing of keys and mirrors from what a user's session, or a client's own key, is refused", () =>
  withOrigins(
    [refusing("text/plain", "Unauthorized"), taking(ONE)],
    (mirror, good) =>
      withGateway(parts([mirror!.url, good!.url], [ONE]), async (gateway) => {
        for (let turn = 0; turn < 20; turn++) {
          await gateway.ask(`/3/account/${turn}?session_id=wrong`);
          await gateway.ask(`/3/movie/${turn}?api_key=${"e".repeat(32)}`);
          await gateway.ask(`/3/tv/${turn}`, { headers: { authorization: "Basic d3Jvbmc=" } });
        }
        assert.deepEqual(keyStates(gateway), ["ready"]);
        const { pool } = gateway.gateway.snapshot.pools[0]!;
        for (const upstream of pool.upstreams) assert.equal(upstream.circuit(gateway.clock.now()), "closed");
        assert.deepEqual(gateway.gateway.counts.upstreams["p"]![mirror!.url]!.outcomes["failed"] ?? 0, 0);
      }),
  ));
