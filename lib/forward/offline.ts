import { allowsStaleIfError } from "../cache/policy/policy.ts";
import type { CacheRequest } from "../cache/policy/policy_options.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { type ErrorCode, GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";

/** Errors that say that no upstream can answer. */
const OUTAGES: ReadonlySet<ErrorCode> = new Set([
  "no_healthy_upstream",
  "upstream_unreachable",
  "upstream_timeout",
  "upstream_invalid_response",
  "upstream_wrong_content",
]);

/**
 * Refuses to ask upstreams for a listener that is always offline.
 *
 * @throws {GatewayError} `no_healthy_upstream`
 */
export function refuseOffline({ tenant }: Exchange): void {
  if (tenant.offline !== true) return;
  throw new GatewayError("no_healthy_upstream", "This listener is offline, and nothing is stored for the request", {
    hint: "The operator has set `offline: true`: only what is stored is served",
    retryAfterSeconds: null,
  });
}

/** Whether there is nobody to ask: the listener is offline, or serves what is stored while all upstreams are out. */
export function isOffline({ tenant, services }: Exchange): boolean {
  if (tenant.offline !== "auto") return tenant.offline;
  const nowMs = services.clock.now();
  return tenant.pool.pool.upstreams.every((upstream) => upstream.weight <= 0 || upstream.circuit(nowMs) === "open");
}

/**
 * Refuses to validate a stored response where there is nobody to ask, and what is stored may stand in.
 *
 * @throws {GatewayError} `no_healthy_upstream`
 */
export function refuseOutage(exchange: Exchange): void {
  const { tenant } = exchange;
  if (tenant.offline === false || !isOffline(exchange)) return;
  throw new GatewayError("no_healthy_upstream", `Every upstream of pool "${tenant.pool.name}" is out`);
}

/**
 * Whether a stored response may answer whatever its age, because no upstream did: `cause` is the error, or the status of the last
 * answer. A response that must be validated each time, or is not for this request, never does (RFC 9111 §4.2.4).
 */
export function servesOffline(exchange: Exchange, stored: StoredResponse, cause: unknown): boolean {
  const { tenant, services } = exchange;
  if (tenant.offline === false || !isOutage(cause)) return false;
  const options = { ...tenant.policy!, mode: "rfc9111" as const };
  return allowsStaleIfError(withoutWishes(exchange), stored, {
    options,
    nowMs: services.clock.now(),
    cause: "unreachable",
  });
}

function isOutage(cause: unknown): boolean {
  if (typeof cause === "number") return cause === 429 || cause >= 500;
  return cause instanceof GatewayError && OUTAGES.has(cause.code);
}

/** The request without what it says of caching, where the listener's mode does not listen to that. */
function withoutWishes(exchange: Exchange): CacheRequest {
  if (exchange.tenant.policy!.mode === "rfc9111") return exchange;
  const { method, path, sharedAuthorization, routeTtl } = exchange;
  const header = (name: string) => name === "cache-control" || name === "pragma" ? null : exchange.header(name);
  return { method, path, sharedAuthorization, routeTtl, private: exchange.private, header };
}
