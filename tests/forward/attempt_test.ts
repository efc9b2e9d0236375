import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { askedPauseMs } from "../../lib/forward/attempt.ts";
import type { UpstreamResponse } from "../../lib/upstream_client/transport.ts";
import { plainParts, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

Deno.test("askedPauseMs() reads Retry-After, at least a second and at most five minutes", () => {
  const nowMs = Date.UTC(2026, 0, 2);
  const asked = (value: string | null) =>
    askedPauseMs({
      status: 429,
      fields: value === null ? [] : [["retry-after", value]],
      body: null as never,
      receivedAtMs: nowMs,
    } as UpstreamResponse);
  assert.deepEqual(["0", "3", "86400", "Fri, 02 Jan 2026 00:00:30 GMT", "soon", null].map(asked), [
    1_000,
    3_000,
    300_000,
    30_000,
    0,
    0,
  ]);
});

Deno.test("attempt() enters each try into the upstream's books once, with what became of it", () =>
  withOrigins(
    [
      (exchange) => exchange.reply({ status: 404 }),
      (exchange) => exchange.reply({ status: 503, fields: [["retry-after", "9"]] }),
      (exchange) => exchange.reply({ status: 500 }),
      (exchange) => exchange.reset(),
    ],
    async (...origins) => {
      for (const [index, outcome] of ["ok", "limited", "failed", "unreachable"].entries()) {
        const { url } = origins[index]!;
        await withGateway(plainParts([url], { pool: { retry: { attempts: 1 } } }), async ({ ask, gateway }) => {
          await ask("/a");
          assert.deepEqual({ ...gateway.counts.upstreams["p"]![url]!.outcomes }, { [outcome]: 1 });
          const [upstream] = gateway.snapshot.pools[0]!.pool.upstreams;
          assert.deepEqual([upstream!.inFlight, upstream!.waiting], [0, 0]);
        });
      }
    },
  ));

Deno.test("attempt() takes a body that decodes to more than is allowed for no failure of its upstream", () => {
  const bomb = gzipSync(`"${"a".repeat(17 * 1024 * 1024)}"`);
  const fields: [string, string][] = [["content-type", "application/json"], ["content-encoding", "gzip"]];
  return withOrigins([(exchange) => exchange.reply({ fields, body: bomb })], (origin) => {
    const pool = { type: "tmdb-api", retry: { attempts: 1 } };
    return withGateway(
      plainParts([origin!.url], { pool, cache: { max_entry: "1MiB" } }),
      async ({ ask, idle, gateway }) => {
        assert.equal((await ask("/3/movie/603")).status, 502);
        await idle();
        assert.deepEqual({ ...gateway.counts.upstreams["p"]![origin!.url]!.outcomes }, { ok: 1 });
      },
    );
  });
});

Deno.test("attempt() does not take a storm of 404s for failures", () =>
  withOrigins(
    [(exchange) => exchange.reply({ status: 404, body: "no" })],
    (origin) =>
      withGateway(plainParts([origin!.url]), async ({ ask, gateway, clock }) => {
        for (let turn = 0; turn < 50; turn++) assert.equal((await ask(`/${turn}`)).status, 404);
        const [upstream] = gateway.snapshot.pools[0]!.pool.upstreams;
        assert.equal(upstream!.circuit(clock.now()), "closed");
      }),
  ));
