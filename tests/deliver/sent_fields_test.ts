import assert from "node:assert/strict";
import type { ClientAuth } from "../../lib/request/client_auth.ts";
import { Cors, CORS_DEFAULTS } from "../../lib/request/cors.ts";
import type { Fields } from "../../lib/http/fields.ts";
import { sentFields, type SentTo } from "../../lib/deliver/sent_fields.ts";
import { configFor, type GatewayParts, plainParts, withOrigin } from "../pipeline/in_process_gateway.ts";

/** A request to a listener. */
function to(tenant: Partial<SentTo["tenant"]>): SentTo {
  return { tenant: { cors: null, auth: null, wayBack: null, ...tenant }, authority: "a.example", keyPrefix: "" };
}

const CLOSED = to({ auth: { sharedCaches: false } as ClientAuth });
const OPEN = to({});

/** The `Cache-Control` of a closed listener for one of an upstream. */
function closed(...values: string[]): string {
  const fields: Fields = values.map((value) => ["cache-control", value]);
  const found = sentFields(CLOSED, fields).filter(([name]) => name === "cache-control");
  assert.equal(found.length, 1);
  return found[0]![1];
}

Deno.test("sentFields() changes nothing where the listener is open and the upstream speaks for itself", () => {
  const fields: Fields = [["cache-control", "public, max-age=60"], [
    "access-control-allow-origin",
    "https://a.example",
  ]];
  assert.equal(sentFields(OPEN, fields), fields);
});

Deno.test("sentFields() keeps shared caches from storing what a closed listener sends", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["public, max-age=60", "private, max-age=60"],
    ["max-age=60, s-maxage=90, Public", "private, max-age=60"],
    ['private="x-a, x-b", max-age=5', "private, max-age=5"],
    ["no-cache, proxy-revalidate, must-revalidate", "private, no-cache, must-revalidate"],
    ["no-store", "no-store"],
    ["private, no-store", "private, no-store"],
    ["s-maxage=5", "private"],
  ];
  for (const [said, sent] of cases) assert.equal(closed(said), sent);
  assert.equal(closed("public", "max-age=1"), "private, max-age=1");
  assert.deepEqual(sentFields(CLOSED, [["etag", '"1"']]), [["etag", '"1"'], ["cache-control", "private"]]);
});

Deno.test("sentFields() drops the fields that speak to shared caches alone, where the listener is closed", () => {
  const fields: Fields = [
    ["cdn-cache-control", "max-age=9"],
    ["cloudflare-cdn-cache-control", "max-age=9"],
    ["akamai-cache-control", "max-age=9"],
    ["edge-control", "max-age=9"],
    ["surrogate-control", "max-age=9"],
    ["x-accel-expires", "9"],
    ["expires", "0"],
  ];
  assert.deepEqual(sentFields(CLOSED, fields).map(([name]) => name), ["expires", "cache-control"]);
  const shared = to({ auth: { sharedCaches: true } as ClientAuth });
  assert.equal(sentFields(shared, fields), fields);
});

Deno.test("sentFields() drops the upstream's CORS fields where the listener has a policy of its own", () => {
  const fields: Fields = [["etag", '"1"'], ["access-control-allow-origin", "*"], ["access-control-max-age", "1"]];
  for (const origins of [[], ["*"]]) {
    const cors = new Cors({ ...CORS_DEFAULTS, origins });
    assert.deepEqual(sentFields(to({ cors }), fields), [["etag", '"1"']]);
  }
});

Deno.test("sentFields() names Origin in Vary once, where the answer depends on it", () => {
  const cors = new Cors({ ...CORS_DEFAULTS, origins: ["https://a.example"] });
  const vary = (fields: Fields) => sentFields(to({ cors }), fields);
  assert.deepEqual(vary([]), [["vary", "Origin"]]);
  assert.deepEqual(vary([["vary", "Accept"]]), [["vary", "Accept, Origin"]]);
  for (const value of ["origin", "Accept, ORIGIN", "*"]) assert.deepEqual(vary([["vary", value]]), [["vary", value]]);
});

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

Deno.test("fixedLines() follows a reload that opens, closes or lends the listener to pages", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "public, max-age=600"], ["vary", "dnt"]], body: "x" }),
    async (gateway, origin) => {
      const ask = async () => {
        const { headers, cacheStatus, text } = await gateway.ask("/a", {
          headers: { authorization: `Bearer ${TOKEN}`, origin: "https://page.example" },
        });
        assert.equal(text, "x");
        const names = ["cache-control", "vary", "access-control-allow-origin", "ratelimit-policy"];
        return [/hit/.test(cacheStatus), ...names.map((name) => headers.get(name))];
      };
      const reload = async (listener: GatewayParts["listeners"][number]) => {
        const parts = plainParts([origin.url], { listeners: [{ name: "l", pool: "p", ...listener }] });
        gateway.gateway.commit(gateway.gateway.prepare(await configFor(parts), 2));
      };
      const open = ["public, max-age=600", "dnt", null, null];
      assert.deepEqual(await ask(), [false, ...open]);
      assert.deepEqual(await ask(), [true, ...open]);
      await reload({ auth: { tokens: { kodi: TOKEN } } });
      assert.deepEqual(await ask(), [true, "private, max-age=600", "dnt", null, null]);
      await reload({ cors: { origins: ["*"] } });
      assert.deepEqual(await ask(), [true, "public, max-age=600", "dnt", "*", null]);
      await reload({ cors: { origins: ["https://page.example"] }, rate_limit: { requests: 9, per: "1m" } });
      for (let turn = 0; turn < 2; turn++) {
        const named = ["public, max-age=600", "dnt, Origin", "https://page.example", '"default";q=9;w=60'];
        assert.deepEqual(await ask(), [true, ...named]);
      }
      await reload({});
      assert.deepEqual(await ask(), [true, ...open]);
      assert.equal(origin.heads.length, 1);
    },
    { listeners: [{ name: "l", pool: "p" }] },
  ));

Deno.test("fixedLines() leaves the length to the reply, which says it once", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "max-age=60"]], body: "x" }),
    async (gateway) => {
      const port = Number(new URL(await gateway.serve()).port);
      for (let turn = 0; turn < 2; turn++) {
        const connection = await Deno.connect({ port });
        await connection.write(new TextEncoder().encode("GET /a HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n"));
        const text = await new Response(connection.readable).text();
        assert.deepEqual(text.match(/^content-length:.*/gim), ["Content-Length: 1"], text);
      }
    },
    { listeners: [{ name: "l", pool: "p", cors: { origins: ["*"] } }] },
  ));
