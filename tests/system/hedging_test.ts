import assert from "node:assert/strict";
import { startScriptedOrigin } from "../origins/scripted_origin.ts";
import { startPoolGateway } from "./pool_gateway.ts";

/** How long the stalling upstream takes for every twentieth request. */
const STALL_MS = 600;

/** Asks for another target each time; the response times in ms, sorted. */
async function timesOf(url: string, { count, prefix }: { count: number; prefix: string }): Promise<number[]> {
  const times: number[] = [];
  let turn = 0;
  await Promise.all(Array.from({ length: 4 }, async () => {
    while (turn < count) {
      const target = `/${prefix}/${turn++}`;
      const startedAtMs = performance.now();
      const response = await fetch(url + target);
      assert.equal(response.status, 200);
      assert.equal(await response.text(), target);
      times.push(performance.now() - startedAtMs);
    }
  }));
  return times.sort((a, b) => a - b);
}

/** Response times and requests at the upstreams for each that was sent. */
async function measure(hedge: Readonly<Record<string, unknown>>): Promise<{ p99Ms: number; extra: number }> {
  await using stack = new AsyncDisposableStack();
  let asked = 0;
  const stalling = stack.adopt(
    await startScriptedOrigin(async (exchange) => {
      if (asked++ % 20 === 19) await exchange.wait(STALL_MS);
      await exchange.reply({ body: exchange.head.target });
    }),
    (origin) => origin.close(),
  );
  const steady = stack.adopt(
    await startScriptedOrigin((exchange) => exchange.reply({ body: exchange.head.target })),
    (origin) => origin.close(),
  );
  const pool = { strategy: "round-robin", health: false, upstreams: [stalling.url, steady.url], ...hedge };
  const gateway = stack.adopt(
    await startPoolGateway(pool, { server: { workers: 1 } }),
    (running) => running.close(),
  );
  await timesOf(gateway.url, { count: 100, prefix: "warm" });
  const before = stalling.heads.length + steady.heads.length;
  const times = await timesOf(gateway.url, { count: 600, prefix: "measured" });
  const extra = (stalling.heads.length + steady.heads.length - before - times.length) / times.length;
  return { p99Ms: times[Math.floor(times.length * 0.99)]!, extra };
}

Deno.test("hedging hides an upstream that stalls on 5 % of its requests, at less than 5 % more requests", async () => {
  const plain = await measure({});
  const hedged = await measure({ hedge: { after: "100ms", max_extra: "5%" } });
  assert.ok(plain.p99Ms >= STALL_MS, `without: ${plain.p99Ms} ms`);
  assert.ok(hedged.p99Ms < STALL_MS / 2, `with: ${hedged.p99Ms} ms`);
  assert.equal(plain.extra, 0);
  assert.ok(hedged.extra > 0 && hedged.extra < 0.05, `extra: ${hedged.extra}`);
});
