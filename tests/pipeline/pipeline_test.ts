import assert from "node:assert/strict";
import { get } from "node:http";
import { handle } from "../../lib/pipeline/pipeline.ts";
import { ownArrival } from "../../lib/request/own_arrival.ts";
import { replyResponse, requestArrival } from "../../lib/server/fetch_adapter.ts";
import type { ScriptedReply } from "../origins/scripted_origin.ts";
import { plainPool, withGateway, withOrigin, withOrigins } from "./in_process_gateway.ts";

const fresh: ScriptedReply = { fields: [["cache-control", "max-age=60"]], body: "body" };

Deno.test("handle() answers the second request from memory, with age and without asking the origin", () =>
  withOrigin((exchange) => exchange.reply(fresh), async (gateway, origin) => {
    const first = await gateway.ask("/a");
    gateway.clock.advance(7_000);
    const second = await gateway.ask("/a");
    assert.equal(first.cacheStatus, "usher; fwd=uri-miss; stored; ttl=60");
    assert.equal(second.cacheStatus, "usher; hit; ttl=53; detail=memory");
    assert.equal(second.headers.get("age"), "7");
    assert.equal(second.text, "body");
    assert.equal(origin.heads.length, 1);
    assert.deepEqual(gateway.results(), { hit_memory: 1, miss: 1 });
  }));

Deno.test("handle() answers a memory hit without a promise", () =>
  withOrigin((exchange) => exchange.reply(fresh), async ({ ask, entrance }) => {
    await ask("/a");
    const request = new Request("http://gateway.test/a", { headers: { host: "gateway.test" } });
    const reply = handle(entrance(), requestArrival(request, { connection: { peer: "192.0.2.1", scheme: "http" } }));
    assert.ok(!(reply instanceof Promise));
    assert.equal(await replyResponse(reply, "GET").text(), "body");
  }));

Deno.test("handle() serves a response of 0 bytes and one of many from the store alike", () =>
  withOrigin(
    (exchange) => exchange.reply({ ...fresh, body: exchange.head.target === "/empty" ? "" : "x".repeat(100_000) }),
    async ({ ask }) => {
      for (const [path, length] of [["/empty", 0], ["/many", 100_000]] as const) {
        await ask(path);
        const hit = await ask(path);
        assert.match(hit.cacheStatus, /hit/);
        assert.equal(hit.text.length, length);
        assert.equal(hit.headers.get("content-length"), String(length));
      }
    },
  ));

Deno.test("handle() serves a stale response while it is revalidated behind it, once", () =>
  withOrigin((exchange) =>
    exchange.reply({
      fields: [["cache-control", "max-age=10, stale-while-revalidate=60"]],
      body: `${exchange.turn}`,
    }), async (gateway, origin) => {
    await gateway.ask("/a");
    gateway.clock.advance(20_000);
    const stale = await Promise.all([gateway.ask("/a"), gateway.ask("/a"), gateway.ask("/a")]);
    assert.deepEqual(stale.map(({ text }) => text), ["1", "1", "1"]);
    assert.match(stale[0]!.cacheStatus, /^usher; hit; ttl=-10/);
    await gateway.idle();
    assert.equal(origin.heads.length, 2);
    assert.equal((await gateway.ask("/a")).text, "2");
    assert.deepEqual(gateway.results(), { hit_memory: 1, stale: 3, miss: 1 });
  }));

Deno.test("handle() lets HEAD of a stale response renew it with GET", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({
        fields: [["cache-control", "max-age=10, stale-while-revalidate=60"]],
        body: `${exchange.turn}`,
      }),
    async (gateway, origin) => {
      await gateway.ask("/a");
      gateway.clock.advance(20_000);
      const head = await gateway.ask("/a", { method: "HEAD" });
      assert.equal(head.text, "");
      await gateway.idle();
      assert.deepEqual(origin.heads.map(({ method }) => method), ["GET", "GET"]);
      assert.equal((await gateway.ask("/a")).text, "2");
      assert.equal(origin.heads.length, 2);
    },
  ));

Deno.test("handle() keeps a variant for each selecting value, and says which miss it was", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({
        fields: [["cache-control", "max-age=60"], ["vary", "Accept-Language"]],
        body: exchange.head.fields.find(([name]) => name === "accept-language")?.[1] ?? "none",
      }),
    async (gateway, origin) => {
      const ask = (language?: string) =>
        gateway.ask("/a", { headers: language === undefined ? {} : { "accept-language": language } });
      assert.equal((await ask("de")).cacheStatus, "usher; fwd=uri-miss; stored; ttl=60");
      assert.equal((await ask("fr")).cacheStatus, "usher; fwd=vary-miss; stored; ttl=60");
      assert.equal((await ask()).text, "none");
      for (const language of ["de", "fr"]) {
        const hit = await ask(language);
        assert.equal(hit.text, language);
        assert.match(hit.cacheStatus, /hit/);
      }
      assert.equal((await ask()).text, "none");
      assert.equal(origin.heads.length, 3);
    },
  ));

Deno.test("handle() stores nothing under Vary: *", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"], ["vary", "*"]] }),
    async (gateway, origin) => {
      await gateway.ask("/a");
      await gateway.ask("/a");
      assert.equal(origin.heads.length, 2);
    },
  ));

Deno.test("handle() answers only-if-cached from the store, or with 504 and no word to the origin", () =>
  withOrigin((exchange) => exchange.reply(fresh), async ({ ask }, origin) => {
    const options = { headers: { "cache-control": "only-if-cached" } };
    const miss = await ask("/a", options);
    assert.equal(miss.status, 504);
    assert.equal(JSON.parse(miss.text).status, 504);
    assert.equal(origin.heads.length, 0);
    await ask("/a");
    assert.equal((await ask("/a", options)).status, 200);
    assert.equal(origin.heads.length, 1);
  }));

Deno.test("handle() takes HEAD and parts of what is not stored to the origin as they are", () =>
  withOrigin(
    (exchange) => exchange.reply({ ...fresh, status: exchange.head.method === "HEAD" ? 200 : 206 }),
    async ({ ask }, origin) => {
      await ask("/a", { method: "HEAD" });
      await ask("/a", { headers: { range: "bytes=0-1" } });
      assert.equal(origin.heads[0]!.method, "HEAD");
      assert.ok(origin.heads[1]!.raw.includes("range: bytes=0-1"));
    },
  ));

Deno.test("handle() goes past the cache for other methods, for cookies, and where caching is off", () =>
  withOrigins([(exchange) => exchange.reply(fresh)], (origin) =>
    withGateway({
      pools: { p: plainPool([origin!.url]) },
      listeners: [{ name: "l", prefix: "/on", pool: "p" }, {
        name: "off",
        prefix: "/off",
        pool: "p",
        cache: { mode: "off" },
      }],
    }, async ({ ask, results }) => {
      const cases = [
        ["/on", { method: "PUT", body: "x" }, "usher; fwd=method"],
        ["/on", { method: "OPTIONS" }, "usher; fwd=method"],
        ["/on", { headers: { cookie: "a=b" } }, "usher; fwd=bypass; detail=cookie"],
        ["/off", {}, "usher; fwd=bypass"],
      ] as const;
      for (const [target, init, expected] of cases) {
        assert.equal((await ask(target, init)).cacheStatus, expected);
        assert.equal((await ask(target, init)).cacheStatus, expected);
      }
      assert.equal(origin!.heads.length, 8);
      assert.deepEqual(results(), { bypass: 6 });
    })));

Deno.test("handle() answers 404 with problem details where no listener is, and counts nobody's request", () =>
  withGateway(
    { pools: { p: plainPool(["http://127.0.0.1:9"]) }, listeners: [{ name: "l", prefix: "/a", pool: "p" }] },
    async ({ ask, results }) => {
      const answer = await ask(`/b${"x".repeat(300)}`);
      assert.equal(answer.status, 404);
      assert.equal(answer.headers.get("content-type"), "application/problem+json");
      assert.equal(answer.headers.get("cache-control"), "no-store");
      assert.ok(answer.text.length < 600);
      assert.deepEqual(results(), {});
    },
  ));

Deno.test("handle() answers with an error of the gateway's own where the type fails, and goes on", () =>
  withOrigin((exchange) => exchange.reply(fresh), async (gateway) => {
    const failing = {
      ...gateway.gateway.services,
      store: new Proxy(gateway.gateway.services.store, {
        get: () => () => {
          throw new TypeError("broken store");
        },
      }),
    };
    const arrival = ownArrival({ method: "GET", target: "/a", fields: [["host", "gateway.test"]] });
    const { table } = gateway.entrance();
    const response = replyResponse(await handle({ services: failing, table }, arrival), "GET");
    assert.equal(response.status, 500);
    assert.ok(!(await response.text()).includes("broken store"));
    const logged = gateway.lines.splice(0).find((line) => line["message"] === "A request failed inside the gateway");
    assert.match(String(logged?.["cause"]), /broken store/);
  }));

Deno.test("handle() logs a client that leaves before the answer as 499, and not as a failure of the gateway", () =>
  withOrigin((exchange) => exchange.hang(), async (gateway, origin) => {
    const client = new AbortController();
    const answer = gateway.send("/a", { method: "DELETE", signal: client.signal });
    while (origin.heads.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    client.abort();
    await (await answer).body?.cancel();
    assert.equal(gateway.access()[0]!["status"], 499);
    assert.deepEqual(gateway.gateway.counts.listeners["l"]!.byClass, [1, 0, 0, 0, 0, 0]);
  }));

Deno.test("handle() serves raw bytes of a target unchanged, over a real connection", () =>
  withOrigin((exchange) => exchange.reply({ body: exchange.head.target }), async (gateway) => {
    const port = Number(new URL(await gateway.serve()).port);
    for (const target of ["/a%2Fb//c?x=%zz&&y", "/?", "/a;b=c", "/%E4?q=[]{}|"]) {
      assert.equal(await bodyOf(port, target), target);
    }
  }));

/** Asks for a target with not one byte of it changed, which `fetch` would not do. */
function bodyOf(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, path, host: "127.0.0.1", agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk) => text += chunk).on("end", () => resolve(text));
    }).on("error", reject);
  });
}
