import assert from "node:assert/strict";
import type { ScriptedHandler } from "../origins/scripted_origin.ts";
import { withOrigin } from "../pipeline/in_process_gateway.ts";

const ok: ScriptedHandler = (exchange) => exchange.reply({ body: "good" });

Deno.test("refuseForwarding() answers 508 where its own name is in CDN-Loop, and asks nobody", () =>
  withOrigin(ok, async ({ ask }, origin) => {
    assert.equal((await ask("/a", { headers: { "cdn-loop": "other, usher-test" } })).status, 508);
    assert.equal(origin.heads.length, 0);
  }));

Deno.test("refuseForwarding() cuts a real loop: a gateway that leads to itself answers 508 and comes to rest", () =>
  withOrigin(ok, async (gateway, origin) => {
    const url = await gateway.serve();
    origin.handle(async (exchange) => {
      const headers = exchange.head.fields.filter(([name]) => name === "cdn-loop");
      const again = await fetch(`${url}${exchange.head.target}`, { headers });
      await exchange.reply({ status: again.status, body: await again.text() });
    });
    assert.equal((await gateway.ask("/a")).status, 508);
    assert.equal(origin.heads.length, 1);
  }));

Deno.test("refuseForwarding() refuses a WebSocket handshake that the pool does not carry", () =>
  withOrigin(ok, async ({ ask }, origin) => {
    const answer = await ask("/a", { headers: { connection: "upgrade", upgrade: "websocket" } });
    assert.equal(answer.status, 501);
    assert.equal(origin.heads.length, 0);
  }, { pool: { upgrade: [] } }));
