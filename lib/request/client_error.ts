import { GatewayError } from "../errors.ts";
import { type FailureKind, UpstreamFailure } from "../upstream_client/transport.ts";

/** What a client is told of whatever went wrong on the way to an upstream and back. */
export function clientError(error: unknown): unknown {
  return error instanceof UpstreamFailure ? gatewayError(error) : error;
}

const TIMEOUTS: ReadonlySet<FailureKind> = new Set(["connect_timeout", "first_byte_timeout", "idle_timeout"]);

/** What can be done where it is the way to the upstream that fails; docs/networking.md says how. */
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
  // The client's body was refused on its way: that is no failure of the upstream.
  if (failure.cause instanceof GatewayError) return failure.cause;
  const options = { cause: failure };
  if (TIMEOUTS.has(failure.kind)) {
    return new GatewayError("upstream_timeout", "The upstream did not answer in time", options);
  }
  if (failure.kind === "unsendable") return new GatewayError("bad_request", failure.message, options);
  if (failure.kind === "protocol") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer is not valid HTTP", options);
  }
  if (failure.kind === "truncated") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer broke off", options);
  }
  if (failure.kind === "too_large") {
    return new GatewayError("upstream_invalid_response", "The upstream's answer is larger than the gateway takes", {
      ...options,
      hint: "Its content decodes to more than cache.max_entry",
    });
  }
  return new GatewayError("upstream_unreachable", "The upstream cannot be reached", {
    ...options,
    hint: UNREACHABLE_HINTS[failure.kind],
  });
}
