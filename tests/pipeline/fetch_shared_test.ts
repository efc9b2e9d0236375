import assert from "node:assert/strict";
import { eventually, inParts, withOrigin } from "./in_process_gateway.ts";
import type { Fields } from "../../lib/http/fields.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";

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

/** A compressible text of one letter, soon stale. */
function text(letter: string): ScriptedHandler {
  const fields: Fields = [["cache-control", "max-age=10, stale-while-revalidate=600"], ["content-type", "text/plain"]];
  return (exchange) => exchange.reply({ fields, body: letter.repeat(20_000) });
}

Deno.test("revalidateInBackground() has the forms made of what it brings, as for a client", () =>
  withOrigin(inParts(text("a"), text("b")), async (gateway) => {
    const ask = () => gateway.ask("/a", { headers: { "accept-encoding": "gzip" } });
    await ask();
    await gateway.idle();
    gateway.clock.advance(20_000);
    assert.match((await ask()).cacheStatus, /hit; ttl=-10/);
    await gateway.idle();
    const hit = await ask();
    assert.match(hit.cacheStatus, /hit; ttl=10/);
    assert.equal(hit.headers.get("content-encoding"), "gzip");
    assert.equal(gateway.gateway.counts.listeners["l"]!.requests, 3);
  }, { listeners: [{ name: "l", pool: "p", cache: { compress: true } }] }));

Deno.test("revalidateInBackground() gives up what is not to be stored and goes to nobody", () =>
  withOrigin(
    inParts(text("a"), async (exchange) => {
      await exchange.write(
        "HTTP/1.1 200 OK\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
      );
      await exchange.hang();
    }),
    async (gateway, origin) => {
      await gateway.ask("/a");
      gateway.clock.advance(20_000);
      await gateway.ask("/a");
      await eventually("the origin was asked again", () => origin.heads.length === 2);
      await gateway.idle();
      await eventually("its connection is closed", () => origin.open <= 1);
      assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { ok: 1, cancelled: 1 });
    },
  ));
