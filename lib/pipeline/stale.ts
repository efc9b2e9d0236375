import { allowsStaleIfError } from "../cache/policy/policy.ts";
import type { CacheRequest } from "../cache/policy/policy_options.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { isOutage } from "../forward/refuse.ts";
import type { ForwardReason } from "../forward_reason.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";

/** A stored response that may be served stale, and why upstreams were asked. */
export interface StaleCandidate {
  readonly fwd: ForwardReason;
  /** `null` where nothing is stored. */
  readonly stale: StoredResponse | null;
}

/**
 * The stored response, where it may be served stale in place of an upstream's failure (RFC 5861 §4, RFC 9111 §4.2.4); else `null`.
 * `cause` is the status of the upstream's answer, or the error.
 */
export function staleAnswer(
  exchange: Exchange,
  { fwd, stale }: StaleCandidate,
  cause: number | Error,
): Answer | null {
  const detail = stale === null ? null : staleReason(exchange, stale, cause);
  if (detail === null || stale === null) return null;
  const fwdStatus = typeof cause === "number" ? cause : null;
  const note = forwardNote(exchange, { fwd, fwdStatus, served: stale, result: "stale", detail });
  return { kind: "stored", note, response: stale };
}

function staleReason(
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
  return allowsOffline(exchange, stale, cause) ? "offline" : null;
}

/**
 * Whether the listener's `offline` lets a stored response of any age answer while no upstream does. A response that must be validated
 * each time, or is not for this request, never does (RFC 9111 §4.2.4).
 */
function allowsOffline(exchange: Exchange, stored: StoredResponse, cause: number | Error): boolean {
  const { tenant, services } = exchange;
  if (tenant.offline === false || !isOutage(cause)) return false;
  const options = { ...tenant.policy!, mode: "rfc9111" as const };
  return allowsStaleIfError(withoutClientDirectives(exchange), stored, {
    options,
    nowMs: services.clock.now(),
    cause: "unreachable",
  });
}

/** The request without its `Cache-Control`, where the listener ignores that. */
function withoutClientDirectives(exchange: Exchange): CacheRequest {
  if (exchange.tenant.policy!.clientCacheControl === "obey") return exchange;
  const { method, path, sharedAuthorization, routeTtl } = exchange;
  const header = (name: string) => name === "cache-control" || name === "pragma" ? null : exchange.header(name);
  return { method, path, sharedAuthorization, routeTtl, private: exchange.private, header };
}
