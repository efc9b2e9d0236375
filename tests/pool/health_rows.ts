import type { HealthState, HealthTable, UpstreamHealth } from "../../lib/pool/upstream_health.ts";

/** A row in this state, with what a test cares about put over it. */
export function healthRow(state: HealthState, over: Partial<UpstreamHealth> = {}): UpstreamHealth {
  return {
    state,
    reason: "",
    sinceMs: 0,
    weightFactor: 1,
    weight: 1,
    rampFromMs: 0,
    fastMs: 0,
    slowMs: 0,
    successRate: 1,
    checks: 0,
    failedChecks: 0,
    credential: "",
    ...over,
  };
}

/** A table of pool `p` with these rows. */
export function healthTable(version: number, upstreams: Record<string, UpstreamHealth>): HealthTable {
  return { pool: "p", version, atMs: 0, upstreams };
}
