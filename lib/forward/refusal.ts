import { GatewayError } from "../errors.ts";
import type { FieldSource } from "../http/field_source.ts";
import { hasDotSegment, isAuthority, MAX_TARGET_LENGTH, type Target } from "../http/target.ts";

/** Why a request is refused before it is routed; `null` where it is not (RFC 9112 §3.2). */
export function refusal(request: Request, target: Target | null, fields: FieldSource): GatewayError | null {
  const { method } = request;
  // TRACE would show the client what the gateway adds, credentials included; CONNECT would open tunnels.
  if (method === "CONNECT" || method === "TRACE") {
    return new GatewayError("method_not_supported", `Method ${method} is not served here`);
  }
  if (target === null) return new GatewayError("bad_request", "The request target is not one that a gateway serves");
  const host = fields.header("host");
  if (!host) return new GatewayError("bad_request", "The request has no Host field");
  if (request.url.length > MAX_TARGET_LENGTH) {
    return new GatewayError("uri_too_long", `The request target is longer than ${MAX_TARGET_LENGTH} characters`);
  }
  // The server builds its URL of Host and target, so that a path in Host would stand before the target's own.
  if (!isAuthority(host) || (target.authority !== host && !isAuthority(target.authority))) {
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
 * Refuses to take a WebSocket handshake to an upstream. Asked only where an upstream is: a stored response answers it as it does any GET.
 *
 * @throws {GatewayError} `upgrade_not_supported`
 */
export function refuseUpgrade(fields: FieldSource): void {
  if (!/\bwebsocket\b/i.test(fields.header("upgrade") ?? "")) return;
  throw new GatewayError("upgrade_not_supported", "WebSocket connections are not served here", {
    hint: "Connect to the upstream directly, or through a proxy that carries WebSocket",
  });
}
