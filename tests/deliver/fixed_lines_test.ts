import assert from "node:assert/strict";
import { configFor, type GatewayParts, plainParts, withOrigin } from "../pipeline/in_process_gateway.ts";

const TOKEN = "5f3c9a1e7b2d4068aa51c0de93b7f642";

Deno.test("fixedLines() follows a reload that opens, closes or lends the listener to pages", () =>
  withOrigin(
    (exchange) => exchange.reply({ fields: [["cache-control", "public, max-age=600"], ["vary", "dnt"]], body: "x" }),
    async (gateway, origin) => {
      const ask = async () => {
        const { headers, cacheStatus, text } = await gateway.ask("/a", {
          headers: { authorization: `Bearer ${TOKEN}`, origin: "https://page.example" },
        });
        assert.deepEqual([text, headers.get("content-length")], ["x", "1"]);
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
