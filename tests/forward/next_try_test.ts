import assert from "node:assert/strict";
import type { Attempt } from "../../lib/forward/attempt.ts";
import { mayFindUpstream } from "../../lib/forward/next_try.ts";
import type { Upstream } from "../../lib/pool/upstream.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import {
  configFor,
  eventually,
  exchangeFor,
  type InProcessGateway,
  plainParts,
  withGateway,
  withOrigin,
  withOrigins,
} from "../pipeline/in_process_gateway.ts";
import type { Config } from "../../lib/config/config.ts";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";

const limitedOnce: ScriptedHandler = (exchange) =>
  exchange.turn === 1
    ? exchange.reply({ status: 429, fields: [["retry-after", "1"]] })
    : exchange.reply({ body: "good" });

Deno.test("nextUpstream() waits as long as Retry-After asks for, and asks the only upstream again", () =>
  withOrigin(limitedOnce, async ({ ask }, origin) => {
    const startedAtMs = performance.now();
    assert.equal((await ask("/a")).text, "good");
    assert.ok(performance.now() - startedAtMs >= 1_000);
    assert.equal(origin.heads.length, 2);
  }));

Deno.test("nextUpstream() passes on an answer whose Retry-After is longer than max_backoff or the time that is left", () =>
  withOrigins(
    [(exchange) => exchange.reply({ status: 429, fields: [["retry-after", "300"]], body: "limited" })],
    async (origin) => {
      for (
        const pool of [{ retry: { max_backoff: "200s" } }, {
          retry: { max_backoff: "1h" },
          timeouts: { total: "200s" },
        }]
      ) {
        await withGateway(plainParts([origin!.url], { pool }), async ({ ask }) => {
          const answer = await ask("/a");
          assert.equal(answer.status, 429);
          assert.equal(answer.headers.get("retry-after"), "300");
        });
      }
      assert.equal(origin!.heads.length, 2);
    },
  ));

Deno.test("nextUpstream() lets requests wait while the upstream has as many as it may, then serves them in order", async () => {
  const held: (() => void)[] = [];
  await withOrigins([async (exchange) => {
    await new Promise<void>((resolve) => held.push(resolve));
    await exchange.reply({ body: exchange.head.target });
  }], (origin) =>
    withGateway(
      plainParts([], { pool: { upstreams: [{ url: origin!.url, max_in_flight: 1 }] } }),
      async ({ ask, gateway }) => {
        const answers = ["/a", "/b", "/c"].map((target) => ask(target));
        for (const [index, target] of ["/a", "/b", "/c"].entries()) {
          await eventually(`${target} is at the origin`, () => origin!.heads.length === index + 1);
          assert.equal(origin!.heads[index]!.target, target);
          await eventually("the others wait", () => gateway.snapshot.pools[0]!.room.size === 2 - index);
          assert.equal(origin!.heads.length, index + 1);
          held[index]!();
        }
        for (const [index, answer] of answers.entries()) assert.equal((await answer).text, ["/a", "/b", "/c"][index]);
        const { queued, turnedAway } = gateway.counts.pools["p"]!;
        assert.deepEqual([queued, turnedAway], [2, 0]);
      },
    ));
});

Deno.test("nextUpstream() gives up with 503 and Retry-After when no upstream gets room in time", () =>
  withOrigins([async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab");
    await exchange.hang();
  }], (origin) =>
    withGateway(
      plainParts([], { pool: { upstreams: [{ url: origin!.url, max_in_flight: 1 }], timeouts: { total: "2s" } } }),
      async ({ ask, send, gateway }) => {
        const first = await send("/a");
        const second = await ask("/b");
        assert.deepEqual([second.status, second.headers.get("retry-after")], [503, "1"]);
        assert.match(second.headers.get("proxy-status")!, /overloaded/);
        const { queued, turnedAway } = gateway.counts.pools["p"]!;
        assert.deepEqual([queued, turnedAway], [1, 1]);
        await first.body!.cancel();
      },
    )));

Deno.test("nextUpstream() ends the wait for an upstream that is drained, and lets the request that it has end", async () => {
  const held = Promise.withResolvers<void>();
  await withOrigins([async (exchange) => {
    await held.promise;
    await exchange.reply({ body: "kept" });
  }], (origin) =>
    withGateway(
      plainParts([], { pool: { upstreams: [{ url: origin!.url, max_in_flight: 1 }], timeouts: { total: "5m" } } }),
      async ({ ask, gateway }) => {
        const [first, waiting] = [ask("/a"), ask("/b")];
        await eventually("the other one waits", () => gateway.snapshot.pools[0]!.room.size === 1);
        gateway.drain([{ pool: "p", upstream: origin!.url }]);
        const refused = await waiting;
        assert.equal(refused.status, 503);
        assert.match(refused.text, /An operator has drained the upstreams of pool/);
        assert.equal((await ask("/c")).status, 503);
        held.resolve();
        assert.equal((await first).text, "kept");
        gateway.drain([]);
        assert.equal((await ask("/d")).text, "kept");
        assert.equal(origin!.heads.length, 2);
      },
    ));
});

Deno.test("nextUpstream() gives an upstream no more than its requests per second, the other takes the rest", () =>
  withOrigins(
    [(exchange) => exchange.reply({ body: "one" }), (exchange) => exchange.reply({ body: "two" })],
    (one, two) =>
      withGateway(
        plainParts([], {
          pool: { upstreams: [{ url: one!.url, weight: 1000, max_rps: 10 }, { url: two!.url, weight: 1 }] },
        }),
        async ({ ask, clock }) => {
          for (let turn = 0; turn < 100; turn++) {
            await ask(`/${turn}`);
            clock.advance(20);
          }
          // 2 seconds at 10 a second, and one that was saved up.
          assert.ok(one!.heads.length >= 19 && one!.heads.length <= 22, `${one!.heads.length}`);
          assert.equal(one!.heads.length + two!.heads.length, 100);
        },
      ),
  ));

const SECOND_KEY = "f".repeat(32);

type Run = (gateway: InProcessGateway, origin: TmdbOrigin, config: Config) => Promise<void>;

/** A gateway with one listener over a TMDB origin, and these keys. */
async function withKeys(pool: Readonly<Record<string, unknown>>, run: Run): Promise<void> {
  const origin = await startTmdbOrigin({ keys: [demoApiKey, SECOND_KEY] });
  const parts = {
    pools: { p: { type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams: [origin.url], ...pool } },
    listeners: [{ name: "l", prefix: "/3", pool: "p" }],
  };
  try {
    await withGateway(parts, async (gateway) => run(gateway, origin, await configFor(parts)));
  } finally {
    await origin.close();
  }
}

function poolOf({ gateway }: InProcessGateway) {
  return gateway.snapshot.pools[0]!;
}

function keyOf(target: string): string | null {
  return new URLSearchParams(target.split("?")[1]).get("api_key");
}

Deno.test("takeCredential() lets requests over a key's rate wait their turn, and those that need no key pass", () =>
  withKeys({ key_limits: { max_rps: 10, burst: 1 } }, async (gateway, origin) => {
    assert.equal((await gateway.ask("/3/movie/550")).status, 200);
    const waiting = [gateway.ask("/3/movie/603"), gateway.ask("/3/movie/13")];
    await eventually("two wait", () => poolOf(gateway).keyRoom.size === 2);
    assert.equal((await gateway.ask("/3/movie/550")).cacheStatus.includes("hit"), true);
    assert.equal((await gateway.ask(`/3/movie/27205?api_key=${SECOND_KEY}`)).status, 200);
    gateway.clock.advance(100);
    assert.equal((await waiting[0]!).status, 200);
    assert.equal(poolOf(gateway).keyRoom.size, 1);
    gateway.clock.advance(100);
    assert.equal((await waiting[1]!).status, 200);
    assert.deepEqual(origin.requests.map(({ target }) => target.split("?")[0]), [
      ...["/3/movie/550", "/3/movie/27205", "/3/movie/603", "/3/movie/13"],
    ]);
    const { credentialQueued, credentialTurnedAway } = poolOf(gateway).counts;
    assert.deepEqual([credentialQueued, credentialTurnedAway], [2, 0]);
  }));

Deno.test("takeCredential() uses another key before it lets a request wait", () =>
  withKeys(
    { api_keys: [demoApiKey, SECOND_KEY], key_limits: { per: "key", max_rps: 1, burst: 1 } },
    async (gateway, origin) => {
      for (const id of [550, 603]) assert.equal((await gateway.ask(`/3/movie/${id}`)).status, 200);
      assert.deepEqual(origin.requests.map(({ target }) => keyOf(target)), [demoApiKey, SECOND_KEY]);
      assert.equal(poolOf(gateway).counts.credentialQueued, 0);
    },
  ));

Deno.test("takeCredential() answers as TMDB says that it is limited when a request has waited in vain", () =>
  withKeys({ key_limits: { max_rps: 10, burst: 1 }, timeouts: { total: "2s" } }, async (gateway, origin) => {
    await gateway.ask("/3/movie/550");
    const answer = await gateway.ask("/3/movie/603");
    assert.equal(answer.status, 429);
    assert.equal(answer.headers.get("retry-after"), "1");
    const { status_code, status_message, success } = JSON.parse(answer.text);
    assert.deepEqual([success, status_code], [false, 25]);
    assert.match(status_message, /key_limits/);
    assert.equal(origin.requests.length, 1);
    assert.equal(poolOf(gateway).counts.credentialTurnedAway, 1);
  }));

Deno.test("takeCredential() waits out a short Retry-After of the only key, and the client sees no error", () =>
  withKeys({}, async (gateway, origin) => {
    origin.keys.set(demoApiKey, "limited");
    const answer = gateway.ask("/3/movie/550");
    await eventually("it waits", () => poolOf(gateway).keyRoom.size === 1);
    origin.keys.set(demoApiKey, "ok");
    gateway.clock.advance(1_000);
    assert.equal((await answer).status, 200);
    assert.deepEqual(gateway.access().map(({ tries }) => tries), [2]);
  }));

Deno.test("takeCredential() passes TMDB's 429 on where the key rests for longer than a request may take, and asks no more", () =>
  withKeys({ timeouts: { total: "30s" } }, async (gateway, origin) => {
    origin.keys.set(demoApiKey, "limited");
    origin.accounts.retryAfterSeconds = 120;
    const first = await gateway.ask("/3/movie/550");
    assert.deepEqual([first.status, first.headers.get("retry-after")], [429, "120"]);
    gateway.clock.advance(60_000);
    const second = await gateway.ask("/3/account?session_id=session-of-alice");
    assert.equal(second.status, 429);
    assert.equal(JSON.parse(second.text).status_code, 25);
    assert.equal(origin.requests.length, 1);
  }));

Deno.test("takeCredential() leaves it to a stored response to answer while the only key rests", () =>
  withKeys({}, async (gateway, origin) => {
    const { text } = await gateway.ask("/3/movie/550");
    gateway.clock.advance(3 * 86_400_000);
    origin.keys.set(demoApiKey, "limited");
    origin.accounts.retryAfterSeconds = 120;
    for (let time = 0; time < 3; time++) {
      const stale = await gateway.ask("/3/movie/550");
      assert.deepEqual([stale.status, stale.text], [200, text]);
      assert.match(stale.cacheStatus, /stale-if-error/);
    }
    assert.equal(origin.requests.length, 2);
  }));

Deno.test("takeCredential() rests a limited key for its Retry-After, a refused one for a minute, and through reloads", () => {
  const keys = ["e".repeat(32), demoApiKey, SECOND_KEY];
  return withKeys({ api_keys: keys }, async ({ ask, clock, gateway }, origin, config) => {
    let id = 900_000_000;
    /** Asks for so many new paths; the places of the keys that it took. */
    const used = async (times: number) => {
      for (const end = id + times; id < end; id++) assert.equal((await ask(`/3/movie/${id}`)).status, 404);
      return origin.requests.splice(0).map(({ target }) => keys.indexOf(keyOf(target)!) + 1);
    };
    origin.keys.set(demoApiKey, "limited");
    origin.accounts.retryAfterSeconds = 20;
    assert.deepEqual(await used(3), [1, 2, 3, 3, 3]);
    gateway.commit(gateway.prepare(config, 2));
    assert.deepEqual(await used(2), [3, 3]);
    clock.advance(19_999);
    assert.deepEqual(await used(2), [3, 3]);
    origin.keys.set(demoApiKey, "ok");
    clock.advance(1);
    assert.ok((await used(4)).includes(2));
    clock.advance(40_000);
    assert.equal((await used(4)).filter((key) => key === 1).length, 1);
    const [pool] = gateway.snapshot.pools;
    assert.deepEqual(pool!.credentials().map(({ state }) => state), ["refused", "ready", "ready"]);
  });
});

Deno.test("takeCredential() lets a user's request wait for the key of its session without holding up those of others", () =>
  withKeys(
    { api_keys: [demoApiKey, SECOND_KEY], key_limits: { per: "key", max_rps: 10, burst: 1 } },
    async (gateway, origin) => {
      origin.keys.set(demoApiKey, "limited");
      origin.accounts.retryAfterSeconds = 5;
      assert.equal((await gateway.ask("/3/movie/550")).status, 200);
      const user = gateway.ask("/3/account?session_id=session-of-alice");
      await eventually("the user waits", () => poolOf(gateway).userKeyRoom.size === 1);
      const others = [gateway.ask("/3/movie/603"), gateway.ask("/3/movie/13")];
      await eventually("the others wait", () => poolOf(gateway).keyRoom.size === 2);
      for (const other of others) {
        gateway.clock.advance(100);
        assert.equal((await other).status, 200);
      }
      origin.keys.set(demoApiKey, "ok");
      gateway.clock.advance(5_000);
      assert.equal((await user).status, 200);
      assert.equal(keyOf(origin.requests.at(-1)!.target), demoApiKey);
    },
  ));

Deno.test("takeCredential() lets nobody wait behind requests that wait for a key of the configuration before", () =>
  withKeys(
    { key_limits: { per: "key", max_rps: 10, burst: 1 }, timeouts: { total: "5m" } },
    async (gateway, origin, config) => {
      origin.keys.set(demoApiKey, "limited");
      origin.accounts.retryAfterSeconds = 60;
      const waiting = gateway.ask("/3/movie/550");
      await eventually("it waits", () => poolOf(gateway).keyRoom.size === 1);
      const [pool] = config.pools;
      gateway.gateway.commit(gateway.gateway.prepare({ ...config, pools: [{ ...pool!, apiKeys: [SECOND_KEY] }] }, 2));
      assert.equal((await gateway.ask("/3/movie/603")).status, 200);
      const next = gateway.ask("/3/movie/13");
      await eventually("it waits too", () => poolOf(gateway).keyRoom.size > 0);
      gateway.clock.advance(100);
      assert.equal((await next).status, 200);
      origin.keys.set(demoApiKey, "ok");
      gateway.clock.advance(60_000);
      assert.equal((await waiting).status, 200);
    },
  ));

Deno.test("mayFindUpstream() sees none in an upstream without a weight, which is asked only where it is named", async () => {
  const upstreams = [{ url: "http://127.0.0.1:1" }, { url: "http://127.0.0.1:2", weight: 0 }];
  await withGateway(plainParts([], { pool: { upstreams } }), (gateway) => {
    const exchange = exchangeFor(gateway, "/a");
    const [upstream] = exchange.tenant.pool.pool.upstreams;
    const response = { status: 500, fields: [], receivedAtMs: 0 };
    const last = { kind: "answer", upstream, answer: { judgement: "failed", response } } as unknown as Attempt;
    const state = (tried: Iterable<Upstream>) => ({
      tried: new Set(tried),
      last,
      untilMs: performance.now() + 60_000,
      signal: undefined,
    });
    assert.deepEqual([[], [upstream!]].map((tried) => mayFindUpstream(exchange, state(tried))), [true, false]);
    return Promise.resolve();
  });
});
