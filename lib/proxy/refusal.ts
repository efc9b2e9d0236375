import { GatewayError } from "../errors.ts";
import { type Fields, singleValue } from "../http/fields.ts";
import { hasDotSegment, isAuthority, MAX_TARGET_LENGTH, type Target } from "../http/target.ts";

/** Why a request is refused before it is routed; `null` where it is not (RFC 9112 §3.2). */
export function refusal(request: Request, target: Target | null, fields: Readonly<Fields>): GatewayError | null {
  const { method } = request;
  // TRACE would show the client what the gateway adds, credentials included; CONNECT would open tunnels.
  if (method === "CONNECT" || method === "TRACE") {
    return new GatewayError("method_not_supported", `Method ${method} is not served here`);
  }
  if (target === null) return new GatewayError("bad_request", "The request target is not one that a gateway serves");
  if (!singleValue(fields, "host")) return new GatewayError("bad_request", "The request has no Host field");
  if (request.url.length > MAX_TARGET_LENGTH) {
    return new GatewayError("uri_too_long", `The request target is longer than ${MAX_TARGET_LENGTH} characters`);
  }
  if (!isAuthority(target.authority)) {
    return new GatewayError("bad_request", "The Host field is not a host with an optional port");
  }
  return refusedTarget(target) ?? refusedUpgrade(fields);
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

function refusedUpgrade(fields: Readonly<Fields>): GatewayError | null {
  const upgrade = singleValue(fields, "upgrade");
  if (upgrade === null || !/\bwebsocket\b/i.test(upgrade)) return null;
  return new GatewayError("upgrade_not_supported", "WebSocket connections are not served here", {
    hint: "Connect to the upstream directly, or through a proxy that carries WebSocket",
  });
}
