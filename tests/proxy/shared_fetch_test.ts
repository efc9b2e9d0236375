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

Deno.test("fetchShared() lets a request go on its own that selects another response", () =>
  withOrigin(async (exchange) => {
    await exchange.wait(20);
    const language = exchange.head.fields.find(([name]) => name === "accept-language")?.[1];
    await exchange.reply({ fields: [["cache-control", "max-age=60"], ["vary", "accept-language"]], body: language });
  }, async ({ ask }, origin) => {
    const answers = await Promise.all(
      ["de", "fr", "de"].map((language) => ask("/a", { headers: { "accept-language": language } })),
    );
    assert.deepEqual(answers.map(({ text }) => text), ["de", "fr", "de"]);
    assert.equal(origin.heads.length, 2);
    assert.match(answers[1]!.cacheStatus, /detail=not-shared/);
  }));

Deno.test("fetchShared() gives a shared failure to all who wait, and starts anew for the next", () =>
  withOrigin(async (exchange) => {
    await exchange.wait(20);
    exchange.reset();
  }, async ({ ask }, origin) => {
    const answers = await Promise.all([ask("/a"), ask("/a"), ask("/a")]);
    assert.deepEqual(answers.map(({ status }) => status), [502, 502, 502]);
    assert.equal(origin.heads.length, 1);
    origin.handle((exchange) => exchange.reply({ body: "well again" }));
    assert.equal((await ask("/a")).text, "well again");
  }, { pool: { retry: { attempts: 1 } } }));

Deno.test("fetchShared() lets a request go on its own when another's fetch takes too long", () =>
  withOrigin(async (exchange) => {
    if (exchange.connection === 1) await exchange.wait(400);
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: `${exchange.connection}` });
  }, async (gateway, origin) => {
    const slow = gateway.ask("/a");
    await eventually("the origin was asked", () => origin.heads.length === 1);
    assert.equal((await gateway.ask("/a")).text, "2");
    assert.equal((await slow).text, "1");
  }, { cache: { collapse_timeout: "50ms" } }));

Deno.test("fetchShared() goes on for those who wait when the first client leaves", () =>
  withOrigin(async (exchange) => {
    await exchange.wait(50);
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "shared" });
  }, async (gateway, origin) => {
    const url = gateway.serve();
    const client = new AbortController();
    const first = fetch(`${url}/a`, { signal: client.signal }).catch(() => {});
    await eventually("the origin was asked", () => origin.heads.length === 1);
    const second = fetch(`${url}/a`);
    client.abort();
    await first;
    assert.equal(await (await second).text(), "shared");
    assert.equal(origin.heads.length, 1);
  }));

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
