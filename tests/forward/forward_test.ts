import assert from "node:assert/strict";
import { asFailure } from "../../lib/request/client_error.ts";
import { UpstreamFailure } from "../../lib/upstream_client/transport.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { demoApiKey, startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually, plainParts, withGateway, withOrigin, withOrigins } from "../pipeline/in_process_gateway.ts";

const ok: ScriptedHandler = (exchange) => exchange.reply({ body: "good" });
const fails = (status: number): ScriptedHandler => (exchange) => exchange.reply({ status, body: `bad ${status}` });
const resets: ScriptedHandler = (exchange) => exchange.reset();
const CLOSED = "http://127.0.0.1:1";

Deno.test("askUpstreams() goes on to the next upstream after a failed answer, a reset and a refused connection", () =>
  withOrigins(
    [fails(500), resets, ok],
    (failing, resetting, good) =>
      withGateway(
        plainParts([failing!.url, resetting!.url, CLOSED, good!.url], { pool: { retry: { attempts: 4 } } }),
        async ({ ask, gateway, access }) => {
          const answer = await ask("/a");
          assert.equal(answer.text, "good");
          assert.equal(access().length, 1);
          assert.equal(failing!.heads.length + resetting!.heads.length + good!.heads.length, 3);
          const outcomes = Object.values(gateway.counts.upstreams["p"]!).map((counts) => ({ ...counts.outcomes }));
          assert.deepEqual(outcomes, [{ failed: 1 }, { unreachable: 1 }, { unreachable: 1 }, { ok: 1 }]);
        },
      ),
  ));

Deno.test("askUpstreams() leaves an upstream alone that answered badly when there is no other", () =>
  withOrigin(fails(500), async ({ ask }, origin) => {
    assert.equal((await ask("/a")).status, 500);
    assert.equal(origin.heads.length, 1);
  }));

Deno.test("askUpstreams() asks the only upstream again when it gave no answer", () =>
  withOrigin(
    (exchange) => exchange.connection === 1 ? exchange.reset() : exchange.reply({ body: "good" }),
    async ({ ask }, origin) => {
      assert.equal((await ask("/a")).text, "good");
      assert.equal(origin.heads.length, 2);
    },
  ));

for (
  const [method, body, retried] of [
    ["GET", undefined, true],
    ["HEAD", undefined, true],
    ["POST", "x", false],
    ["PUT", undefined, false],
    ["DELETE", undefined, false],
    ["PATCH", "x", false],
  ] as const
) {
  Deno.test(`askUpstreams() ${retried ? "sends" : "does not send"} ${method} again that may have been processed`, () =>
    withOrigins(
      [resets, ok],
      (resetting, good) =>
        withGateway(plainParts([resetting!.url, good!.url]), async ({ ask }) => {
          const answer = await ask("/a", { method, body });
          assert.equal(answer.status, retried ? 200 : 502);
          assert.equal(good!.heads.length, retried ? 1 : 0);
        }),
    ));

  Deno.test(`askUpstreams() sends ${method} to another upstream when not one byte of it was written`, () =>
    withOrigins([ok], (good) =>
      withGateway(plainParts([CLOSED, good!.url]), async ({ ask }) => {
        assert.equal((await ask("/a", { method, body })).status, 200);
        assert.equal(good!.heads.length, 1);
      })));

  Deno.test(`askUpstreams() ${retried ? "retries" : "passes on"} a 503 to ${method}`, () =>
    withOrigins(
      [fails(503), ok],
      (failing, good) =>
        withGateway(plainParts([failing!.url, good!.url]), async ({ ask }) => {
          assert.equal((await ask("/a", { method, body })).status, retried ? 200 : 503);
          assert.equal(good!.heads.length, retried ? 1 : 0);
        }),
    ));
}

Deno.test("askUpstreams() sends a body whole to the second upstream when the first took no connection", () =>
  withOrigins(
    [async (exchange) => exchange.reply({ body: await exchange.body() })],
    (good) =>
      withGateway(plainParts([CLOSED, good!.url]), async ({ ask }) => {
        const body = "x".repeat(200_000);
        assert.equal((await ask("/a", { method: "POST", body, headers: { "content-length": "200000" } })).text, body);
      }),
  ));

Deno.test("askUpstreams() does not send a user's request again, but anybody's", async () => {
  const origins = await Promise.all([startTmdbOrigin(), startTmdbOrigin()]);
  const json = { "content-type": "application/json" };
  for (const origin of origins) origin.fault = () => new Response("{}", { status: 503, headers: json });
  const upstreams = origins.map(({ url }) => url);
  try {
    await withGateway({
      pools: { p: { type: "tmdb-api", health: false, api_keys: [demoApiKey], upstreams } },
      listeners: [{ name: "l", prefix: "/3", pool: "p" }],
    }, async ({ ask, access }) => {
      assert.equal((await ask("/3/account?session_id=session-of-alice")).status, 503);
      assert.equal((await ask("/3/movie/603")).status, 503);
      assert.deepEqual(access().map(({ tries }) => tries), [1, 2]);
    });
  } finally {
    await Promise.all(origins.map((origin) => origin.close()));
  }
});

Deno.test("askUpstreams() tries another key at the same host when one is refused", async () => {
  const second = "f".repeat(32);
  const origin = await startTmdbOrigin({ keys: [second] });
  try {
    await withGateway({
      pools: { p: { type: "tmdb-api", health: false, api_keys: [demoApiKey, second], upstreams: [origin.url] } },
      listeners: [{ name: "l", prefix: "/3", pool: "p" }],
    }, async ({ ask, gateway, lines }) => {
      assert.equal((await ask("/3/movie/603")).status, 200);
      assert.equal(origin.requests.length, 2);
      assert.deepEqual({ ...gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { ok: 2 });
      assert.ok(lines.some((line) => line["message"] === "An upstream refuses an API key (401): it is out"));
      assert.ok(!JSON.stringify(lines).includes(demoApiKey));
    });
  } finally {
    await origin.close();
  }
});

Deno.test("askUpstreams() counts a refused key as none of the tries that a request has", async () => {
  const second = "f".repeat(32);
  const origin = await startTmdbOrigin({ keys: [second] });
  try {
    const pool = { type: "tmdb-api", health: false, api_keys: [demoApiKey, second], upstreams: [origin.url] };
    await withGateway({
      pools: { p: { ...pool, retry: { attempts: 1 } } },
      listeners: [{ name: "l", prefix: "/3", pool: "p" }],
    }, async ({ ask }) => {
      assert.equal((await ask("/3/movie/603")).status, 200);
      assert.equal(origin.requests.length, 2);
    });
  } finally {
    await origin.close();
  }
});

Deno.test("askUpstreams() gives up when all tries together took too long", () =>
  withOrigins([(exchange) => exchange.hang(), (exchange) => exchange.hang(), ok], (one, two, good) =>
    withGateway(
      plainParts([one!.url, two!.url, good!.url], { pool: { timeouts: { first_byte: "150ms", total: "200ms" } } }),
      async ({ ask }) => {
        const answer = await ask("/a");
        assert.equal(answer.status, 504);
        assert.equal(one!.heads.length + two!.heads.length, 2);
        assert.equal(good!.heads.length, 0);
      },
    )));

Deno.test("askUpstreams() counts tries after the first, and those that the retry budget refused", () =>
  withOrigins([(exchange) => exchange.reply({ status: 500 }), ok], async (bad, good) => {
    const pool = { retry: { budget: "0%", budget_floor: 1 }, timeouts: { total: "3s" } };
    await withGateway(plainParts([bad!.url, good!.url], { pool }), async ({ ask, gateway }) => {
      const { retries, counts } = gateway.snapshot.pools[0]!;
      assert.equal((await ask("/a")).status, 200);
      assert.deepEqual([counts.retries, counts.retriesRefused], [1, 0]);
      assert.ok(retries.tryTake(), "the only place is taken");
      assert.equal((await ask("/b")).status, 500);
      assert.deepEqual([counts.retries, counts.retriesRefused], [1, 1]);
      retries.release(null);
    });
  }));

Deno.test("askUpstreams() does not pause past the time that all tries have", async () => {
  const { random } = Math;
  Math.random = () => 0.999;
  try {
    await withGateway(
      plainParts([CLOSED], { pool: { retry: { attempts: 20 }, timeouts: { total: "800ms" } } }),
      async ({ ask, gateway }) => {
        assert.equal((await ask("/a")).status, 502);
        // The pauses are 50, 100, 200 and 400 ms; the fifth, of 800, is cut to what is left. Without that all 20 tries are made.
        const { retries } = gateway.counts.pools["p"]!;
        assert.ok(retries <= 5, `${retries} more tries`);
      },
    );
  } finally {
    Math.random = random;
  }
});

Deno.test("askUpstreams() ends the try of a client that leaves, and asks no other upstream", () =>
  withOrigins(
    [(exchange) => exchange.hang(), ok],
    (hanging, good) =>
      withGateway(plainParts([hanging!.url, good!.url]), async (gateway) => {
        const client = new AbortController();
        const answer = gateway.ask("/a", { method: "HEAD", signal: client.signal });
        await eventually("the request is at the origin", () => hanging!.heads.length === 1);
        client.abort();
        await answer;
        await eventually("the connection is closed", () => hanging!.open === 0);
        assert.equal(good!.heads.length, 0);
        assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![hanging!.url]!.outcomes }, { cancelled: 1 });
      }),
  ));

Deno.test("askUpstreams() passes no status on that HTTP does not know, and stores none", () =>
  withOrigin(
    (exchange) => exchange.reply({ status: 650, fields: [["cache-control", "max-age=60"]], body: "odd" }),
    async ({ ask }) => {
      for (let turn = 0; turn < 2; turn++) {
        const answer = await ask("/a");
        assert.equal(answer.status, 502);
        assert.match(answer.text, /not valid HTTP/);
      }
      assert.equal((await ask("/a", { method: "POST" })).status, 502);
    },
  ));

Deno.test("askUpstreams() takes note of Retry-After, and turns to the other upstream meanwhile", () =>
  withOrigins(
    [(exchange) => exchange.reply({ status: 429, fields: [["retry-after", "60"]] }), ok],
    (limited, good) =>
      withGateway(plainParts([limited!.url, good!.url]), async ({ ask, gateway }) => {
        for (let turn = 0; turn < 4; turn++) assert.equal((await ask(`/${turn}`)).text, "good");
        assert.ok(limited!.heads.length >= 1);
        assert.ok(gateway.counts.upstreams["p"]![limited!.url]!.outcomes["limited"]! >= 1);
      }),
  ));

Deno.test("asFailure() keeps a transport's failure and takes anything else for a broken answer", () => {
  const failure = new UpstreamFailure("reset", "x", false);
  assert.equal(asFailure(failure), failure);
  const other = asFailure("odd");
  assert.deepEqual([other.kind, other.message, other.requestSent], ["protocol", "odd", true]);
});

Deno.test("askUpstreams() answers 503 where too many requests of the listener are under way, and gives the place back", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigins([async (exchange) => {
    await promise;
    await exchange.reply({ body: "well" });
  }], (origin) =>
    withGateway({
      ...plainParts([origin!.url]),
      listeners: [{ name: "l", pool: "p", max_in_flight: 1, queue: { size: 0 } }],
    }, async ({ ask, gateway }) => {
      const first = ask("/a", { method: "POST" });
      await eventually("the first is under way", () => origin!.heads.length === 1);
      const second = await ask("/b", { method: "POST" });
      assert.deepEqual([second.status, second.headers.get("retry-after")], [503, "1"]);
      goOn();
      assert.equal((await first).text, "well");
      assert.equal((await ask("/c", { method: "POST" })).text, "well");
      assert.equal(origin!.heads.length, 2);
      const { queued, turnedAway } = gateway.counts.listeners["l"]!;
      assert.deepEqual([queued, turnedAway], [0, 1]);
    }));
});

Deno.test("askUpstreams() counts who waits, and as turned away not who leaves while waiting", () => {
  const { promise: isTime, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigins([async (exchange) => {
    await isTime;
    await exchange.reply({ body: "well" });
  }], (origin) =>
    withGateway({
      ...plainParts([origin!.url]),
      listeners: [{ name: "l", pool: "p", max_in_flight: 1, queue: { size: 2, timeout: "5m" } }],
    }, async ({ ask, gateway }) => {
      const { counts, admission } = gateway.snapshot.tenants[0]!;
      const client = new AbortController();
      const first = ask("/a", { method: "POST" });
      await eventually("the first is under way", () => origin!.heads.length === 1);
      const leaves = ask("/b", { method: "POST", signal: client.signal });
      const second = ask("/c", { method: "POST" });
      await eventually("two wait", () => admission!.waiting === 2);
      client.abort();
      await leaves;
      goOn();
      assert.deepEqual([(await first).status, (await second).status], [200, 200]);
      assert.deepEqual([counts.queued, counts.turnedAway], [2, 0]);
    }));
});

Deno.test("askUpstreams() gives the place back of clients that leave, of failures and of hits alike", () =>
  withOrigins([async (exchange) => {
    if (exchange.head.target === "/reset") return exchange.reset();
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    await exchange.hang();
  }], (origin) =>
    withGateway({
      ...plainParts([origin!.url], { pool: { retry: { attempts: 1 } } }),
      listeners: [{ name: "l", pool: "p", max_in_flight: 1, queue: { size: 0 } }],
    }, async (gateway) => {
      for (let turn = 0; turn < 3; turn++) {
        await (await gateway.send("/left", { method: "POST" })).body!.cancel();
        assert.equal((await gateway.ask("/reset", { method: "POST" })).status, 502);
      }
    })));
