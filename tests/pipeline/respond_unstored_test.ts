import assert from "node:assert/strict";
import type { ScriptedExchange, ScriptedHandler } from "../origins/scripted_origin.ts";
import { eventually, withOrigin } from "./in_process_gateway.ts";

Deno.test("respondUnstored() tells those who wait that a response is not to be shared, and remembers it for the next", () => {
  const held: ScriptedExchange[] = [];
  const first: ScriptedHandler = (exchange) =>
    exchange.reply({ fields: [["cache-control", "private"]], body: "first" });
  return withOrigin(first, async (gateway, origin) => {
    const early = await Promise.all([gateway.ask("/a"), gateway.ask("/a")]);
    assert.equal(origin.heads.length, 2);
    assert.match(early[0]!.cacheStatus, /fwd=uri-miss; detail=private$/);
    assert.match(early[1]!.cacheStatus, /detail=not-shared$/);
    // From now on nobody waits for anybody: three at a time reach the origin, which waits for all of them.
    origin.handle(async (exchange) => {
      held.push(exchange);
      await eventually("three requests are here", () => held.length >= 3);
      await exchange.reply({ fields: [["cache-control", "private"]], body: `for ${exchange.connection}` });
    });
    const late = await Promise.all([gateway.ask("/a"), gateway.ask("/a"), gateway.ask("/a")]);
    assert.equal(new Set(late.map(({ text }) => text)).size, 3);
    assert.match(late[0]!.cacheStatus, /detail=hit-for-miss$/);
  });
});
