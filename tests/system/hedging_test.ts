import assert from "node:assert/strict";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type RunningGateway, startPoolGateway } from "./pool_gateway.ts";

const REQUESTS = 400;

/** Asks for another target each time, four at a time; every answer has to be the right one. */
async function askAll(url: string): Promise<void> {
  let turn = 0;
  await Promise.all(Array.from({ length: 4 }, async () => {
    while (turn < REQUESTS) {
      const target = `/${turn++}`;
      const response = await fetch(url + target);
      assert.equal(response.status, 200);
      assert.equal(await response.text(), target);
    }
  }));
}

/** Two upstreams, of which one stalls on every twentieth of its requests, for as long as it is asked to. */
async function start(stack: AsyncDisposableStack, hedge: Readonly<Record<string, unknown>>, stallMs: number | null) {
  let asked = 0;
  let stalls = 0;
  const stalling = stack.adopt(
    await startScriptedOrigin(async (exchange) => {
      if (asked++ % 20 === 19) {
        stalls++;
        await (stallMs === null ? exchange.left : exchange.wait(stallMs));
      }
      if (exchange.isOpen) await exchange.reply({ body: exchange.head.target });
    }),
    (origin) => origin.close(),
  );
  const steady = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: exchange.head.target })),
    (origin) => origin.close(),
  );
  // Nothing but a hedge can make up for a try that stalls.
  const retry = { attempts: 1 };
  const pool = { strategy: "round-robin", health: false, upstreams: [stalling.url, steady.url], hedge, retry };
  const gateway = stack.adopt(
    await startPoolGateway(pool, { server: { workers: 1 } }),
    (running) => running.close(),
  );
  return { gateway, sent: () => stalling.heads.length + steady.heads.length, stalls: () => stalls };
}

async function hedges(gateway: RunningGateway, result: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return Number(new RegExp(`^usher_hedges_total\\{.*result="${result}".*\\} (\\d+)$`, "m").exec(text)?.[1]);
}

Deno.test("hedging answers every request of an upstream that stalls for ever on some, from the other one", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, stalls } = await start(stack, { after: "50ms", max_extra: "100%" }, null);
  await askAll(gateway.url);
  assert.ok(stalls() >= 5, `${stalls()} requests stalled`);
  assert.ok(await hedges(gateway, "won") > 0);
});

Deno.test("hedging sends no more requests than its share, however many are late", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, sent, stalls } = await start(stack, { after: "5ms", max_extra: "5%" }, 100);
  await askAll(gateway.url);
  assert.ok(stalls() > 0);
  const second = await hedges(gateway, "sent");
  assert.ok(second > 0 && second <= REQUESTS * 0.05, `${second} second tries for ${REQUESTS} requests`);
  // One that is given up at once may not get there.
  assert.ok(sent() - REQUESTS <= second, `${sent()} requests`);
});
