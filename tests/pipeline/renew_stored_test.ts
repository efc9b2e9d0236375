import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { inParts, sentField, withOrigin } from "./in_process_gateway.ts";

const old = [["cache-control", "max-age=10"], ["etag", '"v1"'], ["x-turn", "1"]] as [string, string][];

const first: ScriptedHandler = (exchange) => exchange.reply({ fields: old, body: "old" });
const notModified = (fields: [string, string][]): ScriptedHandler => (exchange) =>
  exchange.write(`HTTP/1.1 304 Not Modified\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);

Deno.test("renewStored() renews a stale response with a 304: the body stays, the fields and the lifetime are new", () =>
  withOrigin(
    inParts(first, notModified([["cache-control", "max-age=100"], ["etag", '"v1"'], ["x-turn", "2"]])),
    async (gateway, origin) => {
      await gateway.ask("/a");
      gateway.clock.advance(20_000);
      const renewed = await gateway.ask("/a", { headers: { "if-none-match": '"other"' } });
      assert.deepEqual([renewed.status, renewed.text, renewed.headers.get("x-turn")], [200, "old", "2"]);
      assert.equal(renewed.cacheStatus, "usher; fwd=stale; fwd-status=304; stored; ttl=100");
      assert.equal(sentField(origin, "if-none-match"), '"v1"');
      assert.match((await gateway.ask("/a")).cacheStatus, /hit; ttl=100/);
      assert.equal(origin.heads.length, 2);
      assert.deepEqual(gateway.results(), { hit_memory: 1, revalidated: 1, miss: 1 });
    },
  ));

Deno.test("renewStored() answers a client's own condition from the renewed response", () =>
  withOrigin(inParts(first, notModified([["etag", '"v1"']])), async (gateway) => {
    await gateway.ask("/a");
    gateway.clock.advance(20_000);
    const answer = await gateway.ask("/a", { headers: { "if-none-match": '"v1"' } });
    assert.deepEqual([answer.status, answer.text], [304, ""]);
  }));

for (const attempts of [3, 1]) {
  Deno.test(`renewStored() asks again without conditions when a 304 speaks of another response, with ${attempts} attempts`, () =>
    withOrigin(
      inParts(first, notModified([["etag", '"v2"']]), (exchange) => exchange.reply({ fields: old, body: "new" })),
      async (gateway, origin) => {
        await gateway.ask("/a");
        gateway.clock.advance(20_000);
        assert.equal((await gateway.ask("/a")).text, "new");
        assert.equal(sentField(origin, "if-none-match"), null);
        assert.equal((await gateway.ask("/a")).text, "new");
        assert.equal(origin.heads.length, 3);
      },
      { pool: { retry: { attempts } } },
    ));
}
