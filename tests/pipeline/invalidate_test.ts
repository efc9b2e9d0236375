import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { plainPool, withGateway, withOrigin, withOrigins } from "./in_process_gateway.ts";

const counting: ScriptedHandler = (exchange) =>
  exchange.reply({
    fields: [["cache-control", "max-age=60"]],
    body: `${exchange.head.method} ${exchange.head.target}`,
  });

/** What a GET for a target says of the store. */
const isHit = async (ask: (target: string) => Promise<{ cacheStatus: string }>, target: string) =>
  (await ask(target)).cacheStatus.includes("hit");

for (const method of ["POST", "PUT", "DELETE", "PATCH", "MYMETHOD"]) {
  Deno.test(`updateStore() invalidates the target of a successful ${method}`, () =>
    withOrigin(counting, async ({ ask }) => {
      await ask("/a?q=1");
      await ask("/b");
      await ask("/a?q=1", { method });
      assert.equal(await isHit(ask, "/a?q=1"), false);
      assert.equal(await isHit(ask, "/b"), true);
    }));
}

Deno.test("updateStore() invalidates what Location and Content-Location name, by the client's or the upstream's authority", () =>
  withOrigin(counting, async ({ ask }, origin) => {
    for (const target of ["/a", "/b", "/c", "/d"]) await ask(target);
    origin.handle((exchange) =>
      exchange.reply({
        status: 201,
        fields: exchange.head.method === "POST"
          ? [["location", `${origin.url}/b`], ["content-location", "/c"]]
          : [["cache-control", "max-age=60"]],
      })
    );
    await ask("/a", { method: "POST" });
    const hits = [];
    for (const target of ["/a", "/b", "/c", "/d"]) hits.push(await isHit(ask, target));
    assert.deepEqual(hits, [false, false, false, true]);
  }));

Deno.test("updateStore() invalidates nothing after an error, a safe method or in another listener", () =>
  withOrigins([counting], (origin) =>
    withGateway({
      pools: { p: plainPool([origin!.url]) },
      listeners: [{ name: "one", prefix: "/one", pool: "p", strip_prefix: true }, {
        name: "two",
        prefix: "/two",
        pool: "p",
        strip_prefix: true,
      }],
    }, async ({ ask }) => {
      await ask("/one/a");
      await ask("/two/a", { method: "POST" });
      await ask("/one/a", { method: "OPTIONS" });
      assert.equal(await isHit(ask, "/one/a"), true);
      origin!.handle((exchange) => exchange.reply({ status: exchange.head.method === "PUT" ? 403 : 200 }));
      await ask("/one/a", { method: "PUT" });
      assert.equal(await isHit(ask, "/one/a"), true);
    })));

Deno.test("updateStore() invalidates what was asked for before the clock was set back, and comes later", () =>
  withOrigin(counting, async ({ ask, clock }, origin) => {
    const asked = Promise.withResolvers<void>();
    const changed = Promise.withResolvers<void>();
    origin.handle(async (exchange) => {
      if (exchange.head.method === "GET") {
        asked.resolve();
        await changed.promise;
      }
      await counting(exchange);
    });
    const before = ask("/a");
    await asked.promise;
    clock.advance(-40_000);
    await ask("/a", { method: "POST" });
    changed.resolve();
    await before;
    // When the clock is there again, nothing else tells that it is old.
    clock.advance(45_000);
    assert.equal(await isHit(ask, "/a"), false);
  }));
