import assert from "node:assert/strict";
import { resilienceState } from "../../lib/gateway/resilience_state.ts";
import { eventually, plainParts, withGateway, withOrigins } from "../pipeline/in_process_gateway.ts";

Deno.test("resilienceState() tells who is at an upstream, who waits, and which breaker is open, as plain data", () =>
  withOrigins([async (exchange) => {
    await exchange.wait(100);
    await exchange.reply({ body: "x" });
  }], async (origin) => {
    const { url } = origin!;
    const parts = plainParts([url, "http://127.0.0.1:1"], {
      listeners: [{ name: "l", pool: "p", cache: { mode: "off" }, max_in_flight: 1 }],
    });
    await withGateway(parts, async ({ gateway, ask, clock }) => {
      const state = () => resilienceState(gateway.snapshot, clock.now());
      const both = Promise.all([ask("/1"), ask("/2")]);
      await eventually("one is at the upstream", () => origin!.heads.length === 1);
      assert.deepEqual(state().waiting, { l: 1 });
      const { share, ...held } = state().pools["p"]!.upstreams[url]!;
      assert.deepEqual(held, { inFlight: 1, breaker: "closed" });
      assert.ok(share > 0 && share <= 1);
      await both;
      assert.deepEqual(state().waiting, { l: 0 });
      const dead = gateway.snapshot.pools[0]!.pool.upstreams[1]!;
      for (let time = 0; time < 5; time++) {
        dead.begin(clock.now());
        dead.end({ outcome: "unreachable", latencyMs: 1, retryAfterMs: 0 }, clock.now());
      }
      assert.deepEqual(structuredClone(state()).pools["p"], {
        credentials: [],
        waitingForKey: 0,
        retrying: 0,
        retriesWaiting: 0,
        waiting: 0,
        upstreams: {
          [url]: { inFlight: 0, breaker: "closed", share: 1 },
          [dead.id]: { inFlight: 0, breaker: "open", share: 0 },
        },
      });
    });
  }));
