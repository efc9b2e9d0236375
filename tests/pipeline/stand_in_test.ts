import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { inParts, withOrigin } from "./in_process_gateway.ts";

const lasting = [["cache-control", "max-age=10, stale-if-error=60"], ["etag", '"v1"']] as [string, string][];
const failures: [string, ScriptedHandler][] = [
  ["a 503", (exchange) => exchange.reply({ status: 503 })],
  ["a reset", (exchange) => exchange.reset()],
  ["a page", (exchange) => exchange.reply({ fields: [["content-type", "text/html"]], body: "<h1>" })],
  ["a body that breaks off", async (exchange) => {
    await exchange.write(
      "HTTP/1.1 200 OK\r\ncache-control: max-age=5\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nnew",
    );
    exchange.reset();
  }],
];
for (const [what, failure] of failures) {
  Deno.test(`standIn() serves a stale response within stale-if-error after ${what}, and an error past it`, () =>
    withOrigin(
      inParts(
        (exchange) => exchange.reply({ fields: [...lasting, ["content-type", "text/plain"]], body: "old" }),
        failure,
      ),
      async (gateway) => {
        await gateway.ask("/a");
        gateway.clock.advance(30_000);
        const stale = await gateway.ask("/a");
        assert.deepEqual([stale.status, stale.text], [200, "old"]);
        assert.match(stale.cacheStatus, /fwd=stale;.*detail=stale-if-error/);
        assert.equal(stale.headers.get("age"), "30");
        assert.deepEqual(gateway.results(), { stale: 1, miss: 1 });
        gateway.clock.advance(60_000);
        const cannotBeReached = what !== "a 503";
        // RFC 9111 §4.2.4: at any age where the upstream cannot be reached.
        assert.equal((await gateway.ask("/a")).status, cannotBeReached ? 200 : 503);
      },
      { pool: { content_types: { allow: ["text/plain"] }, retry: { attempts: 2 } } },
    ));
}

for (const [what, failure] of failures.slice(0, 2)) {
  Deno.test(`staleFor() answers HEAD as GET within stale-if-error after ${what}`, () =>
    withOrigin(
      inParts(
        (exchange) => exchange.reply({ fields: [...lasting, ["content-type", "text/plain"]], body: "old" }),
        failure,
      ),
      async (gateway) => {
        await gateway.ask("/a");
        gateway.clock.advance(30_000);
        const stale = await gateway.ask("/a", { method: "HEAD" });
        assert.deepEqual([stale.status, stale.headers.get("content-length")], [200, "3"]);
        assert.match(stale.cacheStatus, /fwd=stale;.*detail=stale-if-error/);
      },
      { pool: { content_types: { allow: ["text/plain"] }, retry: { attempts: 2 } } },
    ));
}

Deno.test("standIn() never serves what must be revalidated stale", () =>
  withOrigin(
    inParts(
      (exchange) =>
        exchange.reply({
          fields: [["cache-control", "max-age=10, must-revalidate, stale-if-error=60"], ["etag", '"1"']],
        }),
      (exchange) => exchange.reset(),
    ),
    async (gateway) => {
      await gateway.ask("/a");
      gateway.clock.advance(30_000);
      assert.equal((await gateway.ask("/a")).status, 502);
    },
    { pool: { retry: { attempts: 1 } } },
  ));
