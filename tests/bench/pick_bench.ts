import { balancerNames } from "../../lib/pool/balancer_registry.ts";
import { Pool } from "../../lib/pool/pool.ts";
import type { HealthTable, UpstreamHealth } from "../../lib/pool/upstream_health.ts";

/** What one choice costs: `deno bench tests/bench/pick_bench.ts`. */

const NOW_MS = 1_700_000_000_000;

function healthy(weight: number): UpstreamHealth {
  const times = { sinceMs: 0, rampFromMs: 0, fastMs: 1_000 / weight, slowMs: 1_000 / weight };
  return {
    state: "healthy",
    reason: "",
    weightFactor: weight,
    weight,
    ...times,
    successRate: 1,
    checks: 1,
    failedChecks: 0,
    credential: "",
  };
}

function build(strategy: string, count: number): Pool {
  const upstreams = Array.from({ length: count }, (_, i) => ({ id: `u${i}`, url: `http://u${i}.test`, weight: 1 }));
  const pool = new Pool({ name: "p", strategy, upstreams });
  const rows = upstreams.map(({ id }, i) => [id, healthy(1 + i % 10)] as const);
  const table: HealthTable = { pool: "p", version: 1, atMs: NOW_MS, upstreams: Object.fromEntries(rows) };
  pool.apply(table);
  return pool;
}

const OK = { outcome: "ok", latencyMs: 20, retryAfterMs: 0 } as const;

for (const count of [2, 200]) {
  for (const strategy of balancerNames) {
    const pool = build(strategy, count);
    let hash = 0;
    Deno.bench(`select, ${strategy}`, { group: `${count} upstreams` }, () => {
      pool.select(null, hash++, NOW_MS);
    });
  }
}

for (const strategy of balancerNames) {
  const pool = build(strategy, 200);
  let hash = 0;
  Deno.bench(`select, begin and end, ${strategy}`, { group: "200 upstreams, whole try" }, () => {
    const upstream = pool.select(null, hash++, NOW_MS)!;
    upstream.begin(NOW_MS);
    upstream.end(OK, NOW_MS);
  });
  const retried = new Set([pool.select(null, 1, NOW_MS)!]);
  Deno.bench(`select with one tried, ${strategy}`, { group: "200 upstreams, second try" }, () => {
    pool.select(retried, hash++, NOW_MS);
  });
}
