import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually, inParts, plainParts, withGateway, withOrigin, withOrigins } from "./in_process_gateway.ts";

const lasting = [["cache-control", "max-age=10, stale-if-error=60"], ["etag", '"v1"']] as [string, string][];
const failures: [string, ScriptedHandler][] = [
  ["a 503", (exchange) => exchange.reply({ status: 503 })],
  ["a reset", (exchange) => exchange.reset()],
  ["a page", (exchange) => exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>" })],
  ["a body that breaks off", async (exchange) => {
    await exchange.write(
      "HTTP/1.1 200 OK\r\ncache-control: max-age=5\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nnew",
    );
    exchange.reset();
  }],
];
for (const [what, failure] of failures) {
  Deno.test(`staleAnswer() serves a stale response within stale-if-error after ${what}, and an error past it`, () =>
    withOrigin(
      inParts(
        (exchange) => exchange.reply({ fields: [...lasting, ["content-type", "text/plain"]], body: "old" }),
        failure,
      ),
      async (gateway) => {
        await gateway.ask("/a");
        gateway.clock.advance(30_000);
        const stale = await gateway.ask("/a");
        assert.deepEqual([stale.status, stale.text], [200, "old"]);
        assert.match(stale.cacheStatus, /fwd=stale;.*detail=stale-if-error/);
        assert.equal(stale.headers.get("age"), "30");
        assert.deepEqual(gateway.results(), { stale: 1, miss: 1 });
        gateway.clock.advance(60_000);
        const cannotBeReached = what !== "a 503";
        // RFC 9111 §4.2.4: at any age where the upstream cannot be reached.
        assert.equal((await gateway.ask("/a")).status, cannotBeReached ? 200 : 503);
      },
      { pool: { content_types: { allow: ["text/plain"] }, retry: { attempts: 2 } } },
    ));
}

for (const [what, failure] of failures.slice(0, 2)) {
  Deno.test(`staleAnswer() answers HEAD as GET within stale-if-error after ${what}`, () =>
    withOrigin(
      inParts(
        (exchange) => exchange.reply({ fields: [...lasting, ["content-type", "text/plain"]], body: "old" }),
        failure,
      ),
      async (gateway) => {
        await gateway.ask("/a");
        gateway.clock.advance(30_000);
        const stale = await gateway.ask("/a", { method: "HEAD" });
        assert.deepEqual([stale.status, stale.headers.get("content-length")], [200, "3"]);
        assert.match(stale.cacheStatus, /fwd=stale;.*detail=stale-if-error/);
      },
      { pool: { content_types: { allow: ["text/plain"] }, retry: { attempts: 2 } } },
    ));
}

Deno.test("staleAnswer() never serves what must be revalidated stale", () =>
  withOrigin(
    inParts(
      (exchange) =>
        exchange.reply({
          fields: [["cache-control", "max-age=10, must-revalidate, stale-if-error=60"], ["etag", '"1"']],
        }),
      (exchange) => exchange.reset(),
    ),
    async (gateway) => {
      await gateway.ask("/a");
      gateway.clock.advance(30_000);
      assert.equal((await gateway.ask("/a")).status, 502);
    },
    { pool: { retry: { attempts: 1 } } },
  ));

const fresh: ScriptedHandler = (exchange) =>
  exchange.reply({ fields: [["cache-control", "max-age=1"]], body: "stored" });
const resets: ScriptedHandler = (exchange) => exchange.reset();

/** In mode `ttl` nothing is served stale unless something allows it. */
function parts(url: string, offline: unknown) {
  return plainParts([url], {
    listeners: [{ name: "l", pool: "p", offline, cache: { mode: "ttl" } }],
    pool: { retry: { attempts: 1 }, health: { enabled: false, max_failures: 2 } },
  });
}

Deno.test("staleAnswer() serves a stored response of any age while no upstream answers, and marks it", () =>
  withOrigins([fresh], (origin) =>
    withGateway(parts(origin!.url, "auto"), async ({ ask, clock }) => {
      await ask("/a");
      clock.advance(90 * 86_400_000);
      for (const broken of [resets, (exchange) => exchange.reply({ status: 503 })] satisfies ScriptedHandler[]) {
        origin!.handle(broken);
        const answer = await ask("/a");
        assert.equal(answer.text, "stored");
        assert.match(answer.cacheStatus, /detail=offline/);
        assert.ok(Number(answer.headers.get("age")) >= 90 * 86_400);
      }
      assert.ok((await ask("/never-stored")).status >= 502);
      origin!.handle(fresh);
    })));

Deno.test("staleAnswer() does nothing where the listener does not say so", () =>
  withOrigins([fresh], (origin) =>
    withGateway(parts(origin!.url, false), async ({ ask, clock }) => {
      await ask("/a");
      clock.advance(90 * 86_400_000);
      origin!.handle(resets);
      assert.equal((await ask("/a")).status, 502);
    })));

Deno.test("staleAnswer() never serves what must be validated, nor another user's", () =>
  withOrigins([
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=1, must-revalidate"]], body: "stored" }),
  ], (origin) =>
    withGateway(parts(origin!.url, "auto"), async ({ ask, clock }) => {
      await ask("/a");
      clock.advance(60_000);
      origin!.handle(resets);
      assert.equal((await ask("/a")).status, 502);
    })));

Deno.test("refuseOutage() spares requests the wait while every upstream is out, and asks again when one may be in", () =>
  withOrigins([fresh], (origin) =>
    withGateway(parts(origin!.url, "auto"), async ({ ask, clock, gateway, idle }) => {
      await ask("/a");
      clock.advance(60_000);
      origin!.handle((exchange) => exchange.reset());
      for (let turn = 0; turn < 4; turn++) {
        assert.match((await ask("/a")).cacheStatus, /detail=offline/);
        await idle();
      }
      const asked = origin!.heads.length;
      assert.equal(gateway.snapshot.pools[0]!.pool.upstreams[0]!.circuit(clock.now()), "open");
      await ask("/a");
      await idle();
      assert.equal(origin!.heads.length, asked, "nobody is asked");
      clock.advance(10_000);
      origin!.handle(fresh);
      // Nobody waits for an upstream that comes back.
      assert.match((await ask("/a")).cacheStatus, /^usher; hit; ttl=-\d+; detail=offline$/);
      await idle();
      assert.match((await ask("/a")).cacheStatus, /^usher; hit; ttl=1; detail=memory$/);
    })));

Deno.test("comingBackAnswer() ends some minutes after the last outage", () =>
  withOrigins([fresh], (origin) =>
    withGateway(parts(origin!.url, "auto"), async ({ ask, clock, idle }) => {
      await ask("/a");
      await ask("/b");
      clock.advance(86_400_000);
      origin!.handle(resets);
      assert.match((await ask("/a")).cacheStatus, /fwd=stale;.*detail=offline/);
      origin!.handle(fresh);
      clock.advance(599_000);
      assert.match((await ask("/a", { method: "HEAD" })).cacheStatus, /^usher; hit; ttl=-\d+; detail=offline$/);
      await idle();
      clock.advance(2_000);
      assert.match((await ask("/b")).cacheStatus, /fwd=stale; stored/);
    })));

Deno.test("refuseForwarding() asks no upstream of a listener that is always offline", () =>
  withOrigins([fresh], (origin) =>
    withGateway(parts(origin!.url, true), async ({ ask }) => {
      for (const init of [{}, { method: "POST" }]) {
        const answer = await ask("/a", init);
        assert.equal(answer.status, 503);
        assert.match(answer.text, /offline/);
      }
      assert.equal(origin!.heads.length, 0);
    })));

Deno.test("lead() makes no further try for a client that has left, unless the cache is to be filled", () =>
  withOrigins([async (exchange) => {
    await exchange.wait(80);
    exchange.reset();
  }, fresh], async (slow, good) => {
    for (const [fills, asked] of [[false, 0], [true, 1]] as const) {
      await withGateway(
        plainParts([slow!.url, good!.url], { cache: { background_fill: fills } }),
        async ({ ask, idle }) => {
          const client = new AbortController();
          const before = slow!.heads.length;
          const answer = ask("/a", { signal: client.signal });
          await eventually("the request is at the first upstream", () => slow!.heads.length === before + 1);
          client.abort();
          await answer;
          await idle();
          assert.equal(good!.heads.length, asked);
        },
      );
    }
  }));
