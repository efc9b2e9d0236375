import assert from "node:assert/strict";
import { eventually, withOrigin } from "./in_process_gateway.ts";

Deno.test("fetchShared() asks the origin once for all that come at the same time, and counts each", () =>
  withOrigin(async (exchange) => {
    await exchange.wait(30);
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "shared" });
  }, async (gateway, origin) => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.ask("/a")));
    assert.deepEqual(new Set(answers.map(({ text }) => text)), new Set(["shared"]));
    assert.equal(origin.heads.length, 1);
    assert.deepEqual(gateway.results(), { collapsed: 49, miss: 1 });
    assert.match(answers[1]!.cacheStatus, /^usher; fwd=uri-miss;.*\bcollapsed\b/);
  }));

Deno.test("fetchShared() lets a request go on its own when another's fetch takes too long", () => {
  const { promise: isTime, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigin(async (exchange) => {
    if (exchange.connection === 1) await isTime;
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: `${exchange.connection}` });
  }, async (gateway, origin) => {
    const slow = gateway.ask("/a");
    await eventually("the origin was asked", () => origin.heads.length === 1);
    assert.equal((await gateway.ask("/a")).text, "2");
    goOn();
    assert.equal((await slow).text, "1");
  }, { cache: { collapse_timeout: "50ms" } });
});

Deno.test("revalidateInBackground() leaves work out where too much is under way", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=10, stale-while-revalidate=600"]] }),
    async (gateway, origin) => {
      await gateway.ask("/a");
      gateway.clock.advance(20_000);
      const { background } = gateway.gateway.services;
      const { promise, resolve } = Promise.withResolvers<void>();
      while (!background.isFull) background.add(promise);
      assert.match((await gateway.ask("/a")).cacheStatus, /hit; ttl=-10/);
      resolve();
      await gateway.idle();
      assert.equal(origin.heads.length, 1);
      await gateway.ask("/a");
      await gateway.idle();
      assert.equal(origin.heads.length, 2);
    },
  ));

Deno.test("revalidateInBackground() keeps serving stale while the origin fails, and logs no request of it", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({ fields: [["cache-control", "max-age=10, stale-while-revalidate=600"]], body: "old" }),
    async (gateway, origin) => {
      await gateway.ask("/a");
      gateway.clock.advance(20_000);
      origin.handle((exchange) => exchange.reset());
      for (let turn = 0; turn < 3; turn++) {
        assert.equal((await gateway.ask("/a")).text, "old");
        await gateway.idle();
      }
      assert.equal(gateway.access().length, 4);
      assert.deepEqual(gateway.results(), { stale: 3, miss: 1 });
    },
    { pool: { retry: { attempts: 1 } } },
  ));

Deno.test("revalidateInBackground() goes on for the cache when the client that found it stale has left", () =>
  withOrigin(async (exchange) => {
    await exchange.reply({ fields: [["cache-control", "max-age=10, stale-while-revalidate=600"]], body: "old" });
    exchange.end();
  }, async (gateway, origin) => {
    const client = new AbortController();
    await gateway.ask("/a");
    gateway.clock.advance(20_000);
    let tries = 0;
    origin.handle((exchange) =>
      tries++ === 0 ? exchange.reset() : exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "new" })
    );
    assert.equal((await gateway.ask("/a", { signal: client.signal })).text, "old");
    client.abort();
    await gateway.idle();
    assert.equal((await gateway.ask("/a")).text, "new");
  }, { cache: { background_fill: false } }));
