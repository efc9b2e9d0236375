import assert from "node:assert/strict";
import { pause } from "../../lib/forward/next_try.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually, plainParts, withGateway, withOrigin, withOrigins } from "../pipeline/in_process_gateway.ts";

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
          await new Promise((resolve) => setTimeout(resolve, 20));
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

Deno.test("pause() ends with its time or its signal", async () => {
  const leaving = new AbortController();
  const paused = pause(2 ** 31 - 1, leaving.signal);
  leaving.abort();
  await paused;
  await pause(2 ** 31 - 1, leaving.signal);
  await pause(0, undefined);
  await pause(5, undefined);
});
