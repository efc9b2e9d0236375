import assert from "node:assert/strict";
import { cacheKey, variantKey } from "../../lib/cache/key.ts";
import type { Found } from "../../lib/cache/store.ts";
import { isVaryMarker } from "../../lib/cache/variants.ts";
import { withOrigin } from "./in_process_gateway.ts";

const KEY = cacheKey({ listener: "l", host: "gateway.test", target: "/a" });

Deno.test("storedHead() is what clients get, with tags and the body's own length, and without the way here", () =>
  withOrigin((exchange) =>
    exchange.reply({
      fields: [
        ["cache-control", "max-age=60"],
        ["connection", "x-hop"],
        ["x-hop", "1"],
        ["age", "5"],
        ["via", "1.1 before"],
        ["surrogate-key", "film film-603"],
      ],
      body: "body",
    }), async ({ ask, gateway }) => {
    await ask("/a");
    const { response } = gateway.services.store.get(KEY) as Found;
    assert.deepEqual(response.fields.filter(([name]) => ["x-hop", "connection", "age"].includes(name)), []);
    assert.deepEqual(response.fields.filter(([name]) => ["via", "content-length"].includes(name)), [
      ["via", "1.1 before, 1.1 usher"],
      ["content-length", "4"],
    ]);
    assert.deepEqual(response.tags, ["film", "film-603"]);
    assert.equal((await ask("/a")).headers.get("age"), "5");
  }));

Deno.test("putResponse() stores a variant under its own key, and a marker that leads to it", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"], ["vary", "accept"]], body: "body" }),
    async ({ ask, gateway }) => {
      await ask("/a", { headers: { accept: "image/webp" } });
      const { store } = gateway.services;
      const marker = store.get(KEY) as Found;
      assert.equal(isVaryMarker(marker.response), true);
      assert.equal(marker.response.body.byteLength, 0);
      const variant = store.get(variantKey(KEY, [["accept", "image/webp"]])) as Found;
      assert.equal(new TextDecoder().decode(variant.response.body), "body");
    },
  ));

Deno.test("withOwnFields() adds what belongs to one client, but nothing that the type drops", () =>
  withOrigin((exchange) =>
    exchange.reply({
      fields: [["cache-control", 'max-age=60, private="x-user"'], ["x-user", "alice"], ["set-cookie", "edge=1"], [
        "content-type",
        "application/json",
      ]],
      body: "{}",
    }), async ({ ask }) => {
    const first = await ask("/3/movie/1");
    assert.deepEqual([first.headers.get("x-user"), first.headers.getSetCookie()], ["alice", []]);
    assert.equal((await ask("/3/movie/1")).headers.get("x-user"), null);
  }, { pool: { type: "tmdb-api" } }));
