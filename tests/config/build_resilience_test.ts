import assert from "node:assert/strict";
import { configOf } from "./load_text.ts";

Deno.test("buildResilience() carries every key over", async () => {
  const config = await configOf(`
pools:
  p:
    type: custom
    upstreams: [https://one.example]
    panic: fail
    panic_threshold: 10%
    slow_start: 0
    weights: { base_weight_multiplier: 2, dynamic_weight_multiplier: 3, alpha_initial: 0.4, alpha_adjustment_step: 5%,
      fast_half_life: 1s, slow_half_life: 1m, failure_penalty: 6s }
    outliers: { failure_ratio: 70%, window: 8s, min_volume: 9, ejection_time: 10m, max_ejection_time: 1s,
      max_ejected: 11%, probes: 12 }
    retry: { attempts: 4, backoff: 3s, max_backoff: 2s, budget: 0.5, budget_floor: 13 }
    hedge: { after: 300ms, max_extra: 2% }
listeners: [{ name: l, pool: p }]
`);
  assert.deepEqual(config.pools[0]!.resilience, {
    panic: "fail",
    panicThreshold: 0.1,
    slowStartMs: 0,
    weights: {
      baseMultiplier: 2,
      dynamicMultiplier: 3,
      alphaInitial: 0.4,
      alphaStep: 0.05,
      fastHalfLifeMs: 1000,
      slowHalfLifeMs: 60_000,
      failurePenaltyMs: 6000,
    },
    outliers: {
      failureRatio: 0.7,
      windowMs: 8000,
      minVolume: 9,
      ejectionMs: 600_000,
      // Never less than the first.
      maxEjectionMs: 600_000,
      maxEjected: 0.11,
      halfOpenSuccesses: 12,
    },
    retry: { attempts: 4, backoffMs: 3000, maxBackoffMs: 3000, budget: 0.5, budgetFloor: 13 },
    hedge: { after: 300, maxExtra: 0.02 },
  });
});

Deno.test("buildLimits() carries every key over, and saves as much as is allowed where nothing is said", async () => {
  const config = await configOf(`
pools: { p: { type: custom, upstreams: [https://one.example] } }
listeners:
  - { name: a, prefix: /a, pool: p, max_in_flight: 5, queue: { size: 6, timeout: 7s },
      rate_limit: { requests: 8, per: 1m, burst: 9, by: header, header: X-Key, ipv4_prefix: 24, ipv6_prefix: 56 } }
  - { name: b, prefix: /b, pool: p, rate_limit: { requests: 10 } }
`);
  assert.deepEqual(config.listeners.map(({ limits }) => limits), [
    {
      maxInFlight: 5,
      queueSize: 6,
      queueTimeoutMs: 7000,
      rate: { requests: 8, perMs: 60_000, burst: 9, byClient: false, header: "x-key", ipv4Prefix: 24, ipv6Prefix: 56 },
    },
    {
      maxInFlight: null,
      queueSize: 256,
      queueTimeoutMs: 2000,
      rate: { requests: 10, perMs: 1000, burst: 10, byClient: false, header: null, ipv4Prefix: 32, ipv6Prefix: 64 },
    },
  ]);
});
