import assert from "node:assert/strict";
import { handle } from "../../lib/pipeline/pipeline.ts";
import { requestArrival } from "../../lib/server/fetch_adapter.ts";
import { eventually, plainParts, withGateway, withOrigin, withOrigins } from "./in_process_gateway.ts";

Deno.test("passThrough() streams a response as it comes, with back-pressure to the origin", () => {
  let sentBytes = 0;
  return withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 200000000\r\n\r\n");
    while (exchange.isOpen && sentBytes < 200_000_000) {
      await Promise.race([exchange.write(new Uint8Array(1_000_000)), exchange.left]);
      sentBytes += 1_000_000;
    }
  }, async (gateway) => {
    const response = await gateway.send("/a", { method: "POST" });
    const reader = response.body!.getReader();
    assert.ok((await reader.read()).value!.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(sentBytes < 50_000_000, `${sentBytes} bytes were taken that nobody asked for`);
    await reader.cancel();
  });
});

for (const moment of ["before the answer", "in the middle of the body"]) {
  Deno.test(`passThrough() ends the upstream's request when the client leaves ${moment}`, () =>
    withOrigin(async (exchange) => {
      if (moment !== "before the answer") await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
      await exchange.hang();
    }, async (gateway, origin) => {
      const client = new AbortController();
      const response = fetch(`${await gateway.serve()}/a`, { method: "POST", signal: client.signal });
      if (moment !== "before the answer") await (await response).body!.getReader().read();
      await eventually("the request is at the origin", () => origin.heads.length === 1);
      client.abort();
      await response.catch(() => {});
      await eventually("the origin's connection is closed", () => origin.open === 0);
      await gateway.idle();
      assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { cancelled: 1 });
      assert.equal(gateway.access()[0]!["status"], 499);
    }));
}

Deno.test("passThrough() breaks off where the upstream does, and says so in the log", () =>
  withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    await exchange.wait(20);
    exchange.end();
  }, async (gateway, origin) => {
    const response = await gateway.send("/a", { method: "POST" });
    await assert.rejects(response.text());
    assert.equal(gateway.access()[0]!["error"], "body_broke_off");
    assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { unreachable: 1 });
  }));

Deno.test("passThrough() keeps answers to one user out of the caches behind, whatever TMDB says", () =>
  withOrigins([
    (exchange) =>
      exchange.reply({
        fields: [["cache-control", "public, max-age=60"], ["content-type", "application/json"], [
          "expires",
          "Fri, 02 Jan 2026 04:00:00 GMT",
        ]],
        body: "{}",
      }),
  ], (origin) =>
    withGateway(plainParts([origin!.url], { pool: { type: "tmdb-api" } }), async ({ ask }) => {
      for (let turn = 0; turn < 2; turn++) {
        const { headers, cacheStatus } = await ask("/3/account?session_id=alice");
        assert.deepEqual([headers.get("cache-control"), headers.get("expires")], ["private, no-store", null]);
        assert.match(cacheStatus, /^usher; fwd=bypass; detail=/);
      }
      assert.equal(origin!.heads.length, 2);
    })));

Deno.test("passThrough() gives the answer back when something fails behind it", () =>
  withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    await exchange.hang();
  }, async (gateway, origin) => {
    const { services, table } = gateway.entrance();
    const failing = { ...services, forgotten: () => Promise.reject(new Error("the others cannot be told")) };
    const request = new Request("http://gateway.test/a", { method: "POST", headers: { host: "gateway.test" } });
    const arrival = requestArrival(request, { connection: { peer: "192.0.2.1", scheme: "http" } });
    assert.equal((await handle({ services: failing, table }, arrival)).status, 500);
    await eventually("the origin's connection is closed", () => origin.open === 0);
    await gateway.idle();
    gateway.lines.splice(0);
  }));

Deno.test("passThrough() passes an answer on as it came, repeated fields included", () =>
  withOrigin(
    (exchange) =>
      exchange.reply({
        status: 418,
        fields: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-own", "caf\xe9"]],
        body: "tea",
      }),
    async (gateway) => {
      const answer = await gateway.ask("/a", { method: "POST" });
      assert.deepEqual([answer.status, answer.text, answer.headers.getSetCookie()], [418, "tea", ["a=1", "b=2"]]);
      assert.equal(answer.headers.get("x-own"), "caf\xe9");
      assert.equal(answer.headers.get("age"), null);
      await gateway.idle();
      assert.equal(gateway.access()[0]!["bytes"], 3);
    },
  ));

Deno.test("passThrough() gives the connection back where there is no content, and is done at once", () =>
  withOrigin(async (exchange) => {
    await exchange.write(
      `HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n${exchange.head.method === "HEAD" ? "" : "hello"}`,
    );
  }, async (gateway, origin) => {
    for (let turn = 0; turn < 3; turn++) {
      const head = await gateway.send("/a", { method: "HEAD" });
      assert.equal(head.body, null);
      assert.equal(head.headers.get("content-length"), "5");
      await gateway.idle();
    }
    assert.equal(origin.connections, 1);
  }));

Deno.test("passThrough() gives the body up when the client leaves, and takes no blame for it", () =>
  withOrigin(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncache-control: no-store\r\ncontent-length: 10\r\n\r\nhalf");
    await exchange.hang();
  }, async (gateway, origin) => {
    const unread = await gateway.send("/a");
    await unread.body!.cancel();
    const begun = (await gateway.send("/a")).body!.getReader();
    await begun.read();
    begun.read().catch(() => {});
    await begun.cancel();
    await eventually("the connections are closed", () => origin.open === 0);
    await gateway.idle();
    assert.deepEqual({ ...gateway.gateway.counts.upstreams["p"]![origin.url]!.outcomes }, { cancelled: 2 });
    assert.deepEqual(gateway.access().map(({ status }) => status), [499, 499]);
  }));
