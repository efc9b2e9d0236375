import { GatewayError } from "../errors.ts";
import type { Answer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import type { UpstreamFailure } from "../upstream_client/transport.ts";
import { type Bypass, passThrough } from "./pass_through.ts";

/**
 * Takes a handshake to an upstream. It has a place among the pool's tunnels from now on, or as many at once as come while upstreams
 * think would all be let in.
 *
 * @throws {GatewayError} `overloaded` where there is no place; as {@linkcode passThrough}
 */
export async function passUpgrade(exchange: Exchange, bypass: Bypass): Promise<Answer> {
  const { name, tunnels, maxTunnels } = exchange.tenant.pool;
  if (tunnels.open >= maxTunnels) {
    throw new GatewayError("overloaded", `Pool "${name}" has as many tunnels open as it may`, {
      hint: "Try again later; the operator's limit is tunnels.max of the pool",
      retryAfterSeconds: 5,
    });
  }
  tunnels.open++;
  let isOpen = true;
  const leave = () => {
    if (isOpen) tunnels.open--;
    isOpen = false;
  };
  try {
    const answer = await passThrough(exchange, bypass);
    if (answer.kind === "streaming" && answer.tunnel !== undefined) {
      const onEnd = (failure?: UpstreamFailure) => {
        leave();
        answer.onEnd(failure);
      };
      const onLeave = () => {
        leave();
        answer.onLeave();
      };
      return { ...answer, onEnd, onLeave };
    }
    leave();
    return answer;
  } catch (error) {
    leave();
    throw error;
  }
}
