import assert from "node:assert/strict";
import { eventually, withOrigin } from "./in_process_gateway.ts";

Deno.test("follow() has a request wait for the variant that it selects", () =>
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
    assert.match(answers[1]!.cacheStatus, /fwd=vary-miss; stored/);
    assert.match(answers[2]!.cacheStatus, /collapsed/);
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

const LARGE_BYTES = 600_000;
const unfilled = { cache: { background_fill: false } };

for (const followers of [1, 3]) {
  Deno.test(`follow() gives ${followers} a large body whose first client has left when it begins, background_fill off`, () => {
    const { promise, resolve: answer } = Promise.withResolvers<void>();
    return withOrigin(async (exchange) => {
      await promise;
      await exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x".repeat(LARGE_BYTES) });
    }, async (gateway, origin) => {
      const first = gateway.send("/a").then((response) => response.body!.cancel());
      await eventually("the origin was asked", () => origin.heads.length === 1);
      const others = Array.from({ length: followers }, () => gateway.send("/a"));
      const { counts } = gateway.gateway;
      await eventually("they follow", () => counts.listeners["l"]!.inFlight === 1 + followers);
      answer();
      await first;
      for (const other of others) {
        assert.equal((await (await other).bytes()).length, LARGE_BYTES);
      }
      assert.equal(origin.heads.length, 1);
    }, unfilled);
  });
}

Deno.test("follow() goes on for a document that waits for its whole to be changed, background_fill off", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  const document = `{"a":"${"x".repeat(LARGE_BYTES)}"}`;
  return withOrigin(async (exchange) => {
    await exchange.write(
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: max-age=60\r\n" +
        `content-length: ${document.length}\r\n\r\n${document.slice(0, 1_000)}`,
    );
    await promise;
    await exchange.write(document.slice(1_000));
  }, async (gateway) => {
    const first = await gateway.send("/a");
    const changed = gateway.ask("/a?b=2");
    // Nothing that it waits for before the body takes more than this turn.
    await new Promise((resolve) => setTimeout(resolve, 0));
    await first.body!.cancel();
    goOn();
    assert.equal(JSON.parse((await changed).text).b, 2);
  }, {
    ...unfilled,
    listeners: [{
      name: "l",
      pool: "p",
      cache: { query: { exclude: ["b"] } },
      overrides: [{ path: "/**", query: { b: "2" }, merge: { b: 2 } }],
    }],
  });
});

Deno.test("a herd makes one request for each variant that it wants, and one validation of each later", () =>
  withOrigin(async (exchange) => {
    const header = (wanted: string) => exchange.head.fields.find(([name]) => name === wanted)?.[1] ?? "";
    await exchange.wait(10);
    const coding = /br/.test(header("accept-encoding")) ? "br" : "gzip";
    const fields: [string, string][] = [["cache-control", "max-age=60, stale-while-revalidate=60"], [
      "etag",
      `"${coding}"`,
    ]];
    if (header("if-none-match") === `"${coding}"`) return await exchange.reply({ status: 304, fields });
    await exchange.reply({ fields: [...fields, ["content-encoding", coding]], body: coding });
  }, async ({ ask, clock, idle }, origin) => {
    const lists = Array.from({ length: 16 }, (_, index) => index % 2 === 0 ? "gzip, deflate" : "br, gzip");
    const herd = () => Promise.all(lists.map((list) => ask("/a", { headers: { "accept-encoding": list } })));
    const expected = lists.map((list) => list.startsWith("br") ? "br" : "gzip");
    const codings = (answers: Awaited<ReturnType<typeof herd>>) =>
      answers.map(({ headers }) => headers.get("content-encoding"));
    assert.deepEqual(codings(await herd()), expected);
    assert.equal(origin.heads.length, 2);
    await idle();
    clock.advance(61_000);
    assert.deepEqual(codings(await herd()), expected, "stale, while both are validated");
    await idle();
    assert.equal(origin.heads.length, 4);
    // A validation of the one has not ended the other.
    const answers = await herd();
    assert.ok(answers.every(({ cacheStatus }) => /; hit; ttl=60/.test(cacheStatus)), answers[0]!.cacheStatus);
    assert.equal(origin.heads.length, 4);
  }));
