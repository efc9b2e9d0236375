import { type ErrorCode, GatewayError } from "../errors.ts";
import { hasDotSegment, isAuthority, type Target } from "../http/target.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Arrival } from "../server/arrival.ts";
import { hasOption } from "../wire/persistence.ts";
import type { Endpoint } from "../request/snapshot.ts";
import type { Fields } from "../http/fields.ts";
import { allowsStaleIfError, type CacheRequest } from "../cache/policy/policy.ts";
import type { StoredResponse } from "../cache/stored_response.ts";

/** Why a request is refused before it is routed; `null` where it is not (RFC 9112 §3.2). `target` is what its target was read as. */
export function refusal(
  { method, fields, minor }: Pick<Arrival, "method" | "fields" | "minor">,
  target: Target | null,
): GatewayError | null {
  // TRACE would show the client what the gateway adds, credentials included; CONNECT would open tunnels.
  if (method === "CONNECT" || method === "TRACE") {
    return new GatewayError("method_not_supported", `Method ${method} is not served here`);
  }
  if (target === null || (target.path === "*" && method !== "OPTIONS")) {
    return new GatewayError("bad_request", "The request target is not one that a gateway serves");
  }
  const host = fields.header("host");
  // HTTP/1.0 knows no Host; without one the target may still name its authority (RFC 9112 §3.2.2).
  if (host === null && minor > 0) return new GatewayError("bad_request", "The request has no Host field");
  if ((host !== null && !isAuthority(host)) || (target.authority !== (host ?? "") && !isAuthority(target.authority))) {
    return new GatewayError("bad_request", "The Host field is not a host with an optional port");
  }
  return refusedTarget(target);
}

function refusedTarget({ path, query }: Target): GatewayError | null {
  if (path.includes("#") || query.includes("#")) {
    return new GatewayError("bad_request", "The request target has a fragment");
  }
  if (!hasDotSegment(path)) return null;
  return new GatewayError("bad_request", "The path has a dot segment", {
    hint: "Send the path without `.` and `..` segments, plain or escaped",
  });
}

const WEBSOCKET = "websocket";

/**
 * The protocol that a request asks to switch to, where its pool carries that (RFC 9110 §7.8); `null` for every other request, also one
 * with an `Upgrade` that is ignored. A handshake is a GET without content.
 */
export function upgradeProtocol(exchange: Exchange): string | null {
  const { arrival, tenant, method } = exchange;
  if (!asksForWebSocket(exchange) || !tenant.pool.upgrades.has(WEBSOCKET)) return null;
  return method === "GET" && arrival.body === null ? WEBSOCKET : null;
}

/**
 * Refuses to take a WebSocket handshake to an upstream that does not get it as one. Asked only where an upstream is: a stored response
 * answers it as it does any GET.
 *
 * @throws {GatewayError} `upgrade_not_supported`
 */
export function refuseUpgrade(exchange: Exchange): void {
  if (!asksForWebSocket(exchange) || upgradeProtocol(exchange) !== null) return;
  throw new GatewayError("upgrade_not_supported", "WebSocket connections are not served here", {
    hint: "Pools of type custom carry them, for a GET without content: see upgrade of the pool",
  });
}

/**
 * `h2c` and every other protocol is not asked for: the request is served as if it had no `Upgrade`. So is one of HTTP/1.0, and one whose
 * `Connection` does not name the field: whoever passed that on does not know of a switch, and would take a tunnel for responses.
 */
function asksForWebSocket(exchange: Exchange): boolean {
  const upgrade = exchange.header("upgrade");
  if (upgrade === null || exchange.arrival.minor !== 1 || !/(?:^|,)\s*websocket\s*(?:,|$)/i.test(upgrade)) return false;
  return hasOption(exchange.header("connection") ?? "", "upgrade");
}

/** Tells another Usher that its failure will not be the end: the number of the sender's try. */
export const ATTEMPT_FIELD = "x-usher-attempt";

const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Refuses a request that has been here before and would go round for ever (RFC 8586). To be called before a request waits for
 * another of the same key: in a loop that other one waits for it.
 *
 * @throws {GatewayError} `loop_detected`
 */
export function refuseLoop(exchange: Exchange): void {
  if (!exchange.header("cdn-loop")?.includes(exchange.services.instanceId)) return;
  throw new GatewayError("loop_detected", "The request came back to this gateway", {
    hint: "An upstream of this pool leads back to this gateway: check the pool's urls",
  });
}

/** Tries that a request may have: one where a gateway before this one, which we trust, tries again itself. */
export function triesAllowed(exchange: Exchange): number {
  const { services, tenant } = exchange;
  const isRepeatedBefore = exchange.header(ATTEMPT_FIELD) !== null && services.settings.isTrusted(exchange.peer);
  return isRepeatedBefore ? 1 : tenant.pool.attempts;
}

/** As much of a try as decides what the next gateway is told. */
interface Sending {
  readonly endpoint: Endpoint;
  readonly ask: { readonly body: unknown };
}

/** Whether a request is tried again at all once an upstream has had it. */
function isRepeatable({ method, private: reason }: Exchange, body: unknown): boolean {
  return body === null && reason === null && REPEATABLE.has(method);
}

/**
 * What another Usher is told of the present try. It is spared its own further tries only while there is somebody else to ask:
 * the last one of a pool has to do what it can.
 */
export function attemptFields(exchange: Exchange, { endpoint, ask }: Sending): Fields {
  if (!endpoint.usher || !isRepeatable(exchange, ask.body) || exchange.tries >= triesAllowed(exchange)) return [];
  const nowMs = exchange.services.clock.now();
  const { upstreams } = exchange.tenant.pool.pool;
  const inUse = upstreams.filter((upstream) => upstream.weight > 0 && upstream.circuit(nowMs) !== "open").length;
  // Each try so far, the present one included, has taken one of them at most.
  return inUse > exchange.tries ? [[ATTEMPT_FIELD, String(exchange.tries)]] : [];
}

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

/**
 * Refuses to take a request to any upstream: it has been here before, wants another protocol, or the listener is offline.
 *
 * @throws {GatewayError} `loop_detected`, `upgrade_not_supported` or `no_healthy_upstream`
 */
export function refuseForwarding(exchange: Exchange): void {
  refuseLoop(exchange);
  refuseUpgrade(exchange);
  refuseOffline(exchange);
}
