import { GatewayError } from "../errors.ts";
import { hasDotSegment, isAuthority, type Target } from "../http/target.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Arrival } from "../server/arrival.ts";
import { hasOption } from "../wire/persistence.ts";

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
