import type { OutcomeBatch } from "../../lib/pool/outcome.ts";

/** A batch with these counts; failures come after the good answers. */
export function batchOf(
  id: string,
  seen: {
    ok?: number;
    failed?: number;
    unreachable?: number;
    limited?: number;
    latencyMs?: number;
    retryAfterMs?: number;
  },
): OutcomeBatch {
  const { ok = 0, failed = 0, unreachable = 0, limited = 0, latencyMs = 10, retryAfterMs = 0 } = seen;
  return {
    id,
    counts: { ok, failed, unreachable, limited, cancelled: 0 },
    latenciesMs: Array.from({ length: Math.min(ok, 16) }, () => latencyMs),
    retryAfterMs,
    trailingFailures: failed + unreachable,
  };
}
