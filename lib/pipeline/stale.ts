import { allowsStaleIfError } from "../cache/policy/policy.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { servesOffline } from "../forward/refuse.ts";
import type { FwdReason } from "../http/cache_status.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";

/** What a stored response would stand in for. */
export interface StaleCandidate {
  readonly fwd: FwdReason;
  /** `null` where nothing is stored. */
  readonly stale: StoredResponse | null;
}

/**
 * The stored response in place of what came of asking upstreams, a status or an error, if it may be served stale; else `null`
 * (RFC 5861 §4, RFC 9111 §4.2.4).
 */
export function staleFor(
  exchange: Exchange,
  { fwd, stale }: StaleCandidate,
  cause: number | Error,
): Answer | null {
  const detail = stale === null ? null : reasonFor(exchange, stale, cause);
  if (detail === null || stale === null) return null;
  const fwdStatus = typeof cause === "number" ? cause : null;
  const note = forwardNote(exchange, { fwd, fwdStatus, served: stale, result: "stale", detail });
  return { kind: "stored", note, response: stale };
}

function reasonFor(
  exchange: Exchange,
  stale: StoredResponse,
  cause: number | Error,
): "stale-if-error" | "offline" | null {
  const failure = {
    options: exchange.tenant.policy!,
    nowMs: exchange.services.clock.now(),
    cause: typeof cause === "number" ? cause : "unreachable" as const,
  };
  if (allowsStaleIfError(exchange, stale, failure)) return "stale-if-error";
  return servesOffline(exchange, stale, cause) ? "offline" : null;
}
