import assert from "node:assert/strict";
import type { Fields } from "../../lib/http/fields.ts";
import { eventually } from "../eventually.ts";
import { plainPool, withGateway, withOrigins } from "./in_process_gateway.ts";

const MIB = 1024 * 1024;
const SHARED: Fields = [["cache-control", "max-age=3600"]];

Deno.test("a client that was sent more than its quota of bytes gets 429 until that is paid for; hits count, others do not pay", () =>
  withOrigins(
    [(exchange) => exchange.reply({ fields: SHARED, body: new Uint8Array(400_000) })],
    (origin) =>
      withGateway({
        pools: { p: plainPool([origin!.url]) },
        listeners: [{ name: "l", pool: "p", rate_limit: { bytes: 1_000_000, per: "10s", requests: 100 } }],
      }, async ({ ask, clock, gateway, idle }) => {
        const first = await ask("/picture", { from: "192.0.2.1" });
        assert.equal(
          first.headers.get("ratelimit-policy"),
          '"default";q=100;w=10, "bytes";q=1000000;qu="content-bytes";w=10',
        );
        assert.match(first.headers.get("ratelimit")!, /^"default";r=99;t=\d+, "bytes";r=1000000;t=1$/);
        await idle();
        const second = await ask("/picture", { from: "192.0.2.1" });
        assert.match(second.cacheStatus, /hit/);
        assert.match(second.headers.get("ratelimit")!, /"bytes";r=600000;t=4$/);
        // 200,000 are left: the third is begun, and takes the quota below nothing.
        assert.equal((await ask("/picture", { from: "192.0.2.1" })).text.length, 400_000);
        const refused = await ask("/picture", { from: "192.0.2.1" });
        assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "2"]);
        assert.match(refused.text, /rate_limit\.bytes/);
        assert.equal((await ask("/picture", { from: "192.0.2.2" })).status, 200);
        // HEAD and 304 send no content, and cost none.
        for (let turn = 0; turn < 20; turn++) await ask("/picture", { from: "192.0.2.3", method: "HEAD" });
        assert.match((await ask("/picture", { from: "192.0.2.3" })).headers.get("ratelimit")!, /"bytes";r=1000000/);
        clock.advance(2_100);
        assert.equal((await ask("/picture", { from: "192.0.2.1" })).status, 200);
        assert.equal(gateway.counts.listeners["l"]!.rateLimited, 1);
        assert.equal(origin!.heads.length, 1);
      }),
  ));

Deno.test("what is still on its way is charged by its stated length; what was not sent in the end is given back", () => {
  const gate = Promise.withResolvers<void>();
  return withOrigins(
    [async (exchange) => {
      if (exchange.head.target === "/other") return await exchange.reply({ body: "small" });
      await exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\ncache-control: no-store\r\n\r\n");
      await exchange.write(new Uint8Array(100_000));
      await gate.promise;
      exchange.end();
    }],
    (origin) =>
      withGateway({
        pools: { p: plainPool([origin!.url]) },
        listeners: [{ name: "l", pool: "p", rate_limit: { bytes: 1_000_000, per: "10s" } }],
      }, async (gateway) => {
        const url = await gateway.serve();
        const response = await fetch(`${url}/large`);
        const refused = await fetch(`${url}/other`);
        assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "40"]);
        await refused.body?.cancel();
        gate.resolve();
        await assert.rejects(response.bytes());
        await gateway.idle();
        const again = await gateway.ask("/other", { from: "127.0.0.1" });
        assert.equal(again.status, 200);
        assert.match(again.headers.get("ratelimit")!, /"bytes";r=[89]\d{5};/);
      }),
  );
});

Deno.test("a large response is sent at the listener's pace, which slows neither its way into the cache nor others", () =>
  withOrigins(
    [(exchange) => exchange.reply({ fields: SHARED, body: new Uint8Array(3 * MIB / 2).fill(7) })],
    (origin) =>
      withGateway({
        pools: { p: plainPool([origin!.url]) },
        listeners: [
          { name: "l", pool: "p", pace: "1MiB" },
          // The rest of it would take an hour and more.
          { name: "slow", prefix: "/slow", pool: "p", pace: "1KiB" },
        ],
      }, async (gateway) => {
        const url = await gateway.serve();
        const leaving = new AbortController();
        const slow = await fetch(`${url}/slow/film`, { signal: leaving.signal });
        await eventually(
          "the cache has all of it",
          async () =>
            (await fetch(`${url}/slow/film`, { method: "HEAD" })).headers.get("cache-status")!.includes("hit"),
        );
        assert.equal(gateway.gateway.counts.listeners["slow"]!.inFlight, 1, "its client has not");
        const timed = async () => {
          const startedMs = performance.now();
          const response = await fetch(`${url}/film`);
          const bytes = (await response.bytes()).length;
          return { bytes, ms: performance.now() - startedMs };
        };
        for (const { bytes, ms } of [await timed(), await timed()]) {
          assert.equal(bytes, 3 * MIB / 2);
          // All but a beginning and one piece, at 1 MiB per second.
          assert.ok(ms >= 1_000 * (1.5 - 0.25 - 0.06), `${ms} ms`);
        }
        const reader = slow.body!.getReader();
        let taken = 0;
        for (let turn = 0; turn < 3; turn++) taken += (await reader.read()).value?.length ?? 0;
        assert.ok(taken < MIB, "the other client still waits");
        leaving.abort();
        await reader.cancel().catch(() => {});
        // A HEAD that came before the cache had all of it went to the origin, too.
        assert.equal(origin!.heads.filter(({ method }) => method === "GET").length, 2);
      }),
  ));
