import assert from "node:assert/strict";
import { plainParts, withGateway, withOrigin } from "./in_process_gateway.ts";

const PREFLIGHT = {
  method: "OPTIONS",
  headers: {
    "origin": "https://page.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type",
  },
};

Deno.test("respondPreflight() answers browsers on TMDB listeners without asking the upstream", () =>
  withOrigin((exchange) => exchange.reply({ body: "{}" }), async (_, origin) => {
    const pool = { type: "tmdb-api", health: false, upstreams: [origin.url] };
    await withGateway(plainParts([origin.url], { pools: { p: pool } }), async ({ ask }) => {
      const { status, headers } = await ask("/3/movie/550/rating", PREFLIGHT);
      assert.equal(status, 204);
      assert.equal(headers.get("access-control-allow-origin"), "*");
      assert.match(headers.get("access-control-allow-methods") ?? "", /POST/);
      assert.equal(headers.get("access-control-allow-headers"), "authorization, content-type");
      const bad = { ...PREFLIGHT, headers: { ...PREFLIGHT.headers, "access-control-request-headers": "a; b" } };
      assert.equal((await ask("/3/movie/550", bad)).headers.get("access-control-allow-headers"), null);
      assert.equal(origin.heads.length, 0);
    });
  }));

Deno.test("isPreflight() leaves OPTIONS to the upstream on custom listeners, and where nobody asks for leave", () =>
  withOrigin((exchange) => exchange.reply({ status: 200, body: "mine" }), async ({ ask }, origin) => {
    assert.equal((await ask("/a", PREFLIGHT)).text, "mine");
    assert.equal((await ask("/a", { method: "OPTIONS" })).text, "mine");
    assert.equal(origin.heads.length, 2);
  }));

Deno.test("respondPreflight() answers by the listener's policy, with a listener that is off too", () =>
  withOrigin((exchange) => exchange.reply({ body: "mine" }), async (_, origin) => {
    const listener = (name: string, cors: unknown) => ({ name, prefix: `/${name}`, pool: "p", cors });
    const listed = { origins: ["https://page.example"], methods: ["GET", "POST"], max_age: "1m" };
    const listeners = [listener("listed", listed), listener("off", "off"), listener("other", "https://x.example")];
    await withGateway(plainParts([origin.url], { listeners }), async ({ ask }) => {
      const yes = await ask("/listed/a", PREFLIGHT);
      assert.equal(yes.status, 204);
      assert.equal(yes.headers.get("access-control-allow-origin"), "https://page.example");
      assert.equal(yes.headers.get("access-control-allow-methods"), "GET, POST");
      assert.equal(yes.headers.get("access-control-max-age"), "60");
      assert.equal(yes.headers.get("vary"), "Origin, Access-Control-Request-Headers");
      for (const path of ["/off/a", "/other/a"]) {
        const no = await ask(path, PREFLIGHT);
        assert.equal(no.status, 204);
        assert.equal(no.headers.get("access-control-allow-origin"), null);
        assert.equal(no.headers.get("access-control-allow-methods"), null);
      }
      assert.equal(origin.heads.length, 0);
    });
  }));
