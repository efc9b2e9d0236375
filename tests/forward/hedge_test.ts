import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { type AskOptions, eventually, plainParts, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

const ok: ScriptedHandler = (exchange) => exchange.reply({ body: "good" });
const stalls: ScriptedHandler = (exchange) => exchange.hang();
const HEDGE = { hedge: { after: "30ms", max_extra: "100%" }, timeouts: { first_byte: "5m", total: "10m" } };

Deno.test("attemptHedged() asks another upstream when the first is late, and cancels the loser", () =>
  withOrigins(
    [stalls, ok],
    (slow, good) =>
      withGateway(plainParts([slow!.url, good!.url], { pool: HEDGE }), async ({ ask, gateway, access }) => {
        assert.equal((await ask("/a")).text, "good");
        await eventually("the loser's connection is closed", () => slow!.open === 0);
        const outcomes = Object.values(gateway.counts.upstreams["p"]!).map((counts) => ({ ...counts.outcomes }));
        assert.deepEqual(outcomes, [{ cancelled: 1 }, { ok: 1 }]);
        const { hedges, hedgesWon } = gateway.counts.pools["p"]!;
        assert.deepEqual([hedges, hedgesWon], [1, 1]);
        assert.equal(access()[0]!["upstream"], good!.url);
      }),
  ));

Deno.test("attemptHedged() takes the first answer where it comes before the second", () =>
  withOrigins(
    [async (exchange) => {
      await exchange.wait(80);
      await exchange.reply({ body: "late" });
    }, stalls],
    (late, slow) =>
      withGateway(plainParts([late!.url, slow!.url], { pool: HEDGE }), async ({ ask, gateway }) => {
        assert.equal((await ask("/a")).text, "late");
        const { hedges, hedgesWon } = gateway.counts.pools["p"]!;
        assert.deepEqual([hedges, hedgesWon], [1, 0]);
        await eventually("the hedge was sent and given up", () => slow!.heads.length === 1 && slow!.open === 0);
      }),
  ));

Deno.test("attemptHedged() waits for the other where the first to answer answers badly", () =>
  withOrigins(
    [async (exchange) => {
      await exchange.wait(100);
      await exchange.reply({ body: "good" });
    }, (exchange) => exchange.reply({ status: 500 })],
    (late, failing) =>
      withGateway(plainParts([late!.url, failing!.url], { pool: HEDGE }), async ({ ask }) => {
        assert.equal((await ask("/a")).text, "good");
        assert.equal(failing!.heads.length, 1);
      }),
  ));

Deno.test("attemptHedged() sends nothing twice that is not a shareable GET, nor where no other upstream is", () =>
  withOrigins(
    [async (exchange) => {
      await exchange.body();
      await exchange.wait(60);
      await exchange.reply({ body: "late" });
    }, ok],
    async (late, other) => {
      await withGateway(plainParts([late!.url, other!.url], { pool: HEDGE }), async ({ ask }) => {
        for (
          const init of [
            { method: "HEAD" },
            { method: "POST", body: "x", headers: { "content-length": "1" } },
            { headers: { cookie: "session=1" } },
            { headers: { authorization: "Bearer x" } },
          ] as AskOptions[]
        ) assert.equal((await ask("/a", init)).status, 200);
        assert.equal(other!.heads.length, 0);
      });
      await withGateway(plainParts([late!.url], { pool: HEDGE }), async ({ ask }) => {
        assert.equal((await ask("/b")).text, "late");
        assert.equal(late!.heads.filter(({ target }) => target === "/b").length, 1);
      });
    },
  ));

Deno.test("attemptHedged() keeps to its share of the requests", () =>
  withOrigins(
    [async (exchange) => {
      await exchange.wait(25);
      await exchange.reply({ body: "late" });
    }, ok],
    (late, other) =>
      withGateway(
        plainParts([late!.url, other!.url], { pool: { ...HEDGE, hedge: { after: "5ms", max_extra: "10%" } } }),
        async ({ ask, gateway }) => {
          for (let turn = 0; turn < 40; turn++) await ask(`/${turn}`);
          // The other may also have been picked first, while a cancelled try was still in flight: that is no hedge.
          assert.equal(gateway.counts.pools["p"]!.hedges, 4);
          assert.ok(other!.heads.length >= 4);
        },
      ),
  ));

Deno.test("attemptHedged() ends both tries of a client that leaves", () =>
  withOrigins([stalls, stalls], (one, two) =>
    withGateway(
      plainParts([one!.url, two!.url], { pool: HEDGE, listeners: [{ name: "l", pool: "p", cache: { mode: "off" } }] }),
      async ({ ask }) => {
        const client = new AbortController();
        const answer = ask("/a", { signal: client.signal });
        await eventually("both are asked", () => one!.heads.length + two!.heads.length === 2);
        client.abort();
        await answer;
        await eventually("both connections are closed", () => one!.open + two!.open === 0);
      },
    )));
