import type { CheckSpec } from "../../lib/health/check.ts";

/** A check of `/healthz` with what a test cares about put over it. */
export function checkSpec(over: Partial<CheckSpec> = {}): CheckSpec {
  return {
    method: "GET",
    target: "/healthz",
    fields: [["host", "a.test"]],
    status: [[200, 299]],
    contains: null,
    intervalMs: 10_000,
    unhealthyIntervalMs: 1_000,
    timeoutMs: 500,
    rise: 2,
    fall: 3,
    ...over,
  };
}
