import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually, inParts, withOrigin } from "./in_process_gateway.ts";

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
      assert.deepEqual(gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes, { ok: 1, cancelled: 1 });
    },
  ));
