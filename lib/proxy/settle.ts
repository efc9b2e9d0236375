import { GatewayError } from "../errors.ts";
import { type Answer, type Attempt, discard } from "./attempt.ts";
import { gatewayError } from "./client_error.ts";
import type { Exchange } from "./exchange.ts";
import { mayGetRoom } from "./next_upstream.ts";

/**
 * What is passed on when nothing better came: the last answer as it is, unless it is not what the pool carries.
 *
 * @throws {GatewayError} where there is no answer, or none to pass on
 */
export function settle(exchange: Exchange, last: Attempt | null): Answer {
  if (last === null && mayGetRoom(exchange)) {
    throw new GatewayError(
      "overloaded",
      `Every upstream of pool "${exchange.tenant.pool.name}" has as much as it may`,
      {
        hint: "Try again in a moment; the operator's limits are max_in_flight and max_rps of the upstreams",
        retryAfterSeconds: 1,
      },
    );
  }
  if (last === null) {
    throw new GatewayError("no_healthy_upstream", `No upstream of pool "${exchange.tenant.pool.name}" is available`, {
      hint: "All upstreams are out; see /status on the admin address",
      retryAfterSeconds: 5,
    });
  }
  if (last.kind === "failure") throw gatewayError(last.failure);
  if (last.answer.judgement === "wrong_content") {
    discard(last.answer);
    throw new GatewayError(
      "upstream_wrong_content",
      "The upstream answered with content that this pool does not carry",
      {
        hint: "A block page or a proxy's error page, most likely; see content_types of the pool",
      },
    );
  }
  return last.answer;
}
