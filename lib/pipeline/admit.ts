import { GatewayError } from "../errors.ts";
import type { ClientAuth, Visitor } from "../request/client_auth.ts";
import type { Exchange } from "../request/exchange.ts";
import { isPreflight } from "./preflight.ts";

/**
 * Lets only known clients on to a closed listener. A browser's preflight carries no token and is answered here, so it may go on.
 *
 * @throws {GatewayError} `unauthorized`; `rate_limited` for an address that has tried too many wrong tokens
 */
export function admit(exchange: Exchange, auth: ClientAuth, visitor: Visitor): void {
  if (isPreflight(exchange)) return;
  const { counts } = exchange.tenant;
  const nowMs = exchange.services.clock.now();
  const blockedSeconds = visitor.isShown ? auth.blockedSeconds(exchange.client, nowMs) : 0;
  if (blockedSeconds > 0) {
    counts.authBlocked++;
    throw new GatewayError("rate_limited", "Too many wrong tokens came from this address", {
      hint: "Wait as long as Retry-After says, and check the client's token",
      retryAfterSeconds: blockedSeconds,
    });
  }
  if (visitor.client !== null) return;
  counts.unauthorized++;
  auth.failed(visitor.wrong, exchange.client, nowMs);
  throw new GatewayError(
    "unauthorized",
    visitor.isShown ? "The token is not valid here" : "This gateway is closed: a token is needed",
    { hint: "The operator has a token for each client; docs/access.md says where a client can put it" },
  );
}
