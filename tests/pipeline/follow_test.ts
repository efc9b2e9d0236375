import assert from "node:assert/strict";
import { eventually, withOrigin } from "./in_process_gateway.ts";

Deno.test("follow() lets a request go on its own that selects another response", () =>
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

Deno.test("follow() gives a shared failure to all who wait, and starts anew for the next", () =>
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

Deno.test("follow() goes on for those who wait when the first client leaves", () =>
  withOrigin(async (exchange) => {
    await exchange.wait(50);
    await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "shared" });
  }, async (gateway, origin) => {
    const url = await gateway.serve();
    const client = new AbortController();
    const first = fetch(`${url}/a`, { signal: client.signal }).catch(() => {});
    await eventually("the origin was asked", () => origin.heads.length === 1);
    const second = fetch(`${url}/a`);
    client.abort();
    await first;
    assert.equal(await (await second).text(), "shared");
    assert.equal(origin.heads.length, 1);
  }));
