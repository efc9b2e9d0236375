import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import { loopTurns } from "../wire/loop_turns.ts";

/**
 * Waits until this worker has time for one more request at an upstream: listeners take turns, and one that asks for more than its share
 * is refused some of it, so that those that are let in, the other listeners and hits stay fast. `null` where there is time now.
 *
 * @throws {GatewayError} `overloaded`, by rejection
 */
export function takeTurn(exchange: Exchange): Promise<void> | null {
  const turn = loopTurns.start(exchange.tenant.name);
  return turn === null ? null : waitFor(turn, exchange);
}

async function waitFor(turn: Promise<boolean>, exchange: Exchange): Promise<void> {
  const waiting = exchange.trace?.child("wait for the worker", "internal");
  const mayStart = await exchange.during("queue", turn);
  waiting?.end();
  if (mayStart) return;
  const { tenant, services } = exchange;
  tenant.counts.shed++;
  services.repeats.warn("request", "A request was shed: there is more to fetch than this worker can", tenant.name, {
    listener: tenant.name,
    waiting: loopTurns.waiting,
  });
  throw new GatewayError("overloaded", "The gateway has more to fetch than it can just now", {
    hint: "Try again in a moment; stored responses are served all the same",
    retryAfterSeconds: 1,
  });
}
