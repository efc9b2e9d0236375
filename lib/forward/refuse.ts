import { type ErrorCode, GatewayError } from "../errors.ts";
import { hasDotSegment, isAuthority, type Target } from "../http/target.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Arrival } from "../server/arrival.ts";
import { hasOption } from "../wire/persistence.ts";

/** The error of a request that is refused before it is routed; `null` for every other (RFC 9112 §3.2). `target` is its target as read. */
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

/**
 * Refuses to take a request to any upstream: it is in a loop, asks for a protocol that is not carried, or the listener is offline.
 *
 * @throws {GatewayError} `loop_detected`, `upgrade_not_supported` or `no_healthy_upstream`
 */
export function refuseForwarding(exchange: Exchange): void {
  refuseLoop(exchange);
  refuseUpgrade(exchange);
  refuseOffline(exchange);
}

/**
 * Refuses a request that has passed this gateway before and would loop without end (RFC 8586). To be called before a request waits
 * for another of the same key: in a loop that other one waits for it.
 *
 * @throws {GatewayError} `loop_detected`
 */
export function refuseLoop(exchange: Exchange): void {
  if (!exchange.header("cdn-loop")?.includes(exchange.services.instanceId)) return;
  throw new GatewayError("loop_detected", "The request came back to this gateway", {
    hint: "An upstream of this pool leads back to this gateway: check the pool's urls",
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
 * Refuses to send a WebSocket handshake as a plain request. Asked only where an upstream is asked: a stored response answers a
 * handshake as it does any GET.
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
 * Other protocols, `h2c` among them, are ignored: the request is served as if it had no `Upgrade`. So is one of HTTP/1.0, and one whose
 * `Connection` does not name the field: the proxy that passed it on does not expect a switch, and would read a tunnel as responses.
 */
function asksForWebSocket(exchange: Exchange): boolean {
  const upgrade = exchange.header("upgrade");
  if (upgrade === null || exchange.arrival.minor !== 1 || !/(?:^|,)\s*websocket\s*(?:,|$)/i.test(upgrade)) return false;
  return hasOption(exchange.header("connection") ?? "", "upgrade");
}

function refuseOffline({ tenant }: Exchange): void {
  if (tenant.offline !== true) return;
  throw new GatewayError("no_healthy_upstream", "This listener is offline, and nothing is stored for the request", {
    hint: "The operator has set `offline: true`: only what is stored is served",
    retryAfterSeconds: null,
  });
}

/**
 * Refuses to validate a stored response while no upstream is in, on a listener that serves stored responses then.
 *
 * @throws {GatewayError} `no_healthy_upstream`
 */
export function refuseOutage(exchange: Exchange): void {
  const { tenant } = exchange;
  if (tenant.offline === false || !isOffline(exchange)) return;
  throw new GatewayError("no_healthy_upstream", `Every upstream of pool "${tenant.pool.name}" is out`);
}

function isOffline({ tenant, services }: Exchange): boolean {
  if (tenant.offline !== "auto") return tenant.offline;
  const nowMs = services.clock.now();
  return tenant.pool.pool.upstreams.every((upstream) => upstream.weight <= 0 || !upstream.isIn(nowMs));
}

/** Errors that say that no upstream can answer. */
const OUTAGES: ReadonlySet<ErrorCode> = new Set([
  "no_healthy_upstream",
  "upstream_unreachable",
  "upstream_timeout",
  "upstream_invalid_response",
  "upstream_wrong_content",
]);

/** Whether an error, or the status of an upstream's last answer, says that no upstream can answer. */
export function isOutage(cause: unknown): boolean {
  if (typeof cause === "number") return cause === 429 || cause >= 500;
  return cause instanceof GatewayError && OUTAGES.has(cause.code);
}
