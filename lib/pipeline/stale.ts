import { allowsStaleIfError } from "../cache/policy/policy.ts";
import type { CacheRequest } from "../cache/policy/policy_options.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { isOutage } from "../forward/refuse.ts";
import type { ForwardReason } from "../forward_reason.ts";
import { withDetail } from "../http/cache_status.ts";
import type { Answer, StoredAnswer } from "../request/answer.ts";
import { forwardNote, hitNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { PoolRuntime } from "../request/snapshot.ts";

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
  if (exchange.tenant.offline === "auto" && isOutage(cause)) {
    outages.set(exchange.tenant.pool, exchange.services.clock.now());
  }
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
  const { tenant } = exchange;
  return tenant.offline !== false && isOutage(cause) && mayServeAnyAge(exchange, stored);
}

function mayServeAnyAge(exchange: Exchange, stored: StoredResponse): boolean {
  const { tenant, services } = exchange;
  const options = { ...tenant.policy!, mode: "rfc9111" as const };
  return allowsStaleIfError(withoutClientDirectives(exchange), stored, {
    options,
    nowMs: services.clock.now(),
    cause: "unreachable",
  });
}

/** When a stored response last answered in the place of a pool's upstreams; milliseconds since the Unix epoch. */
const outages = new WeakMap<PoolRuntime, number>();

/** How long after that what is stored still answers at once, while it is validated in the background. */
const COMING_BACK_MS = 600_000;

/**
 * The stored response for a request that would have to wait for its validation, shortly after an outage, on a listener that serves
 * stored responses then; `null` where it has to wait. So clients do not queue for upstreams, or the rate of a key, when those come back.
 */
export function comingBackAnswer(exchange: Exchange, stored: StoredResponse): StoredAnswer | null {
  const { tenant, services } = exchange;
  if (tenant.offline !== "auto" || stored.isPurged) return null;
  const lastMs = outages.get(tenant.pool) ?? -Infinity;
  if (services.clock.now() - lastMs > COMING_BACK_MS || !mayServeAnyAge(exchange, stored)) return null;
  const note = hitNote(exchange, stored, "stale");
  return {
    kind: "stored",
    note: { ...note, status: withDetail(note.status, "offline"), detail: "offline" },
    response: stored,
  };
}

/** The request without its `Cache-Control`, where the listener ignores that. */
function withoutClientDirectives(exchange: Exchange): CacheRequest {
  if (exchange.tenant.policy!.clientCacheControl === "obey") return exchange;
  const { method, path, sharedAuthorization, routeTtl } = exchange;
  const header = (name: string) => name === "cache-control" || name === "pragma" ? null : exchange.header(name);
  return { method, path, sharedAuthorization, routeTtl, private: exchange.private, header };
}
