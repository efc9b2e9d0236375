import assert from "node:assert/strict";
import { eventually, plainParts, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

Deno.test("takePlace() answers 503 where too many requests of the listener are under way, and gives the place back", () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigins([async (exchange) => {
    await promise;
    await exchange.reply({ body: "well" });
  }], (origin) =>
    withGateway({
      ...plainParts([origin!.url]),
      listeners: [{ name: "l", pool: "p", max_in_flight: 1, queue: { size: 0 } }],
    }, async ({ ask, gateway }) => {
      const first = ask("/a", { method: "POST" });
      await eventually("the first is under way", () => origin!.heads.length === 1);
      const second = await ask("/b", { method: "POST" });
      assert.deepEqual([second.status, second.headers.get("retry-after")], [503, "1"]);
      goOn();
      assert.equal((await first).text, "well");
      assert.equal((await ask("/c", { method: "POST" })).text, "well");
      assert.equal(origin!.heads.length, 2);
      const { queued, turnedAway } = gateway.counts.listeners["l"]!;
      assert.deepEqual([queued, turnedAway], [0, 1]);
    }));
});

Deno.test("takePlace() counts who waits, and as turned away not who leaves while waiting", () => {
  const { promise: isTime, resolve: goOn } = Promise.withResolvers<void>();
  return withOrigins([async (exchange) => {
    await isTime;
    await exchange.reply({ body: "well" });
  }], (origin) =>
    withGateway({
      ...plainParts([origin!.url]),
      listeners: [{ name: "l", pool: "p", max_in_flight: 1, queue: { size: 2, timeout: "5m" } }],
    }, async ({ ask, gateway }) => {
      const { counts, admission } = gateway.snapshot.tenants[0]!;
      const client = new AbortController();
      const first = ask("/a", { method: "POST" });
      await eventually("the first is under way", () => origin!.heads.length === 1);
      const leaves = ask("/b", { method: "POST", signal: client.signal });
      const second = ask("/c", { method: "POST" });
      await eventually("two wait", () => admission!.waiting === 2);
      client.abort();
      await leaves;
      goOn();
      assert.deepEqual([(await first).status, (await second).status], [200, 200]);
      assert.deepEqual([counts.queued, counts.turnedAway], [2, 0]);
    }));
});

Deno.test("takePlace() gives the place back of clients that leave, of failures and of hits alike", () =>
  withOrigins([async (exchange) => {
    if (exchange.head.target === "/reset") return exchange.reset();
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    await exchange.hang();
  }], (origin) =>
    withGateway({
      ...plainParts([origin!.url], { pool: { retry: { attempts: 1 } } }),
      listeners: [{ name: "l", pool: "p", max_in_flight: 1, queue: { size: 0 } }],
    }, async (gateway) => {
      for (let turn = 0; turn < 3; turn++) {
        await (await gateway.send("/left", { method: "POST" })).body!.cancel();
        assert.equal((await gateway.ask("/reset", { method: "POST" })).status, 502);
      }
    })));
