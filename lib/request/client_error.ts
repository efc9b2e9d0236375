import { type ErrorCode, GatewayError, messageOf } from "../errors.ts";
import { type FailureKind, UpstreamFailure } from "../upstream_client/transport.ts";
import { type RefusalStatus, WireError } from "../wire/wire_error.ts";

/** The error for the client: a failure of the transport or of the request's grammar as a `GatewayError`, any other unchanged. */
export function clientError(error: unknown): unknown {
  if (error instanceof UpstreamFailure) return gatewayError(error);
  return error instanceof WireError ? refusedMessage(error) : error;
}

const REFUSALS: Readonly<Record<RefusalStatus, ErrorCode>> = {
  400: "bad_request",
  408: "request_timeout",
  413: "request_too_large",
  414: "uri_too_long",
  417: "expectation_failed",
  431: "fields_too_large",
  501: "coding_not_supported",
  505: "version_not_supported",
};

/** The error that answers a message which breaks the grammar or a limit of HTTP/1.1. */
export function refusedMessage(error: WireError): GatewayError {
  return new GatewayError(REFUSALS[error.status], error.message, { cause: error });
}

const TIMEOUTS: ReadonlySet<FailureKind> = new Set(["connect_timeout", "first_byte_timeout", "idle_timeout"]);

/** Hints for failures to connect; docs/networking.md has more. */
const UNREACHABLE_HINTS: Readonly<Partial<Record<FailureKind, string>>> = {
  resolve: "The upstream's name has no address here: pin one with resolve, or use a proxy",
  refused_address:
    "The upstream's public name was answered with a private address, as blocked names are: pin one with " +
    "resolve, use a proxy, or set allow_private if the answer is right",
  tls: "The handshake with the upstream failed; the log says why",
  proxy: "The upstream's proxy cannot be used; the log says why",
};

/** The error that a client gets for a failed try. */
export function gatewayError(failure: UpstreamFailure): GatewayError {
  // The client's body was refused while it was sent: that is no failure of the upstream.
  if (failure.cause instanceof GatewayError) return failure.cause;
  if (failure.cause instanceof WireError) return refusedMessage(failure.cause);
  const options = { cause: failure };
  if (TIMEOUTS.has(failure.kind)) {
    return new GatewayError("upstream_timeout", "The upstream did not answer in time", options);
  }
  if (failure.kind === "aborted") return clientBrokeOff(failure);
  if (failure.kind === "unsendable") return new GatewayError("bad_request", failure.message, options);
  if (failure.kind === "crowded") {
    return new GatewayError("overloaded", "Every connection to the upstream is in use", {
      ...options,
      hint: "Try again in a moment; the operator's limits are max_connections of the upstream, and ulimit -n",
    });
  }
  if (failure.kind === "protocol") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer is not valid HTTP", options);
  }
  if (failure.kind === "content") {
    return new GatewayError("upstream_wrong_content", "The upstream's content is empty, cut short or not of its type", {
      ...options,
      hint: "The log names the upstream; see content_types.verify of the pool",
    });
  }
  if (failure.kind === "truncated") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer broke off", options);
  }
  if (failure.kind === "too_large") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer is larger than the gateway takes", {
      ...options,
      hint: "Its content decodes to more than cache.max_entry, and to more than 16 MiB",
      retryAfterSeconds: null,
    });
  }
  return new GatewayError("upstream_unreachable", "The upstream cannot be reached", {
    ...options,
    hint: UNREACHABLE_HINTS[failure.kind],
  });
}

/** The request's content stalled, or the client has left. */
function clientBrokeOff(failure: UpstreamFailure): GatewayError {
  if (failure.cause !== undefined) return new GatewayError("bad_request", "The request broke off", { cause: failure });
  return new GatewayError("request_timeout", "The content did not come in time", { cause: failure });
}

/** Any error as a transport's failure: others are bugs or hostile input, and count as a failed try, too. */
export function asFailure(error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  return new UpstreamFailure("protocol", messageOf(error), true, { cause: error });
}
