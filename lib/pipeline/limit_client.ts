import { GatewayError } from "../errors.ts";
import { CLIENT_NAME, type ClientRate } from "../request/client_rate.ts";
import type { Exchange } from "../request/exchange.ts";

/**
 * Takes a request from its client's quota and has the response say how that stands (`RateLimit`, `RateLimit-Policy`).
 *
 * @throws {GatewayError} `rate_limited` when nothing is left
 */
export function limitClient(exchange: Exchange, rate: ClientRate): void {
  const header = (name: string) => name === CLIENT_NAME ? exchange.clientName : exchange.header(name);
  const verdict = rate.take(exchange.client, header, exchange.services.clock.now());
  exchange.quotaFields = [["ratelimit-policy", rate.policyField], ["ratelimit", rate.field(verdict)]];
  if (verdict.allowed) return;
  exchange.tenant.counts.rateLimited++;
  throw new GatewayError("rate_limited", "Too many requests", {
    hint: "Wait as long as Retry-After says; the operator's limit is rate_limit of the listener",
    retryAfterSeconds: verdict.resetSeconds,
  });
}
