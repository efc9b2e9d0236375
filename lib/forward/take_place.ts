import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";

/**
 * Takes a place among the listener's requests at upstreams; the answer gives it back. `null` where the listener has no limit.
 *
 * @throws {GatewayError} `overloaded` when it has waited in vain
 */
export async function takePlace(
  { tenant, services }: Exchange,
  signal: AbortSignal | undefined,
): Promise<(() => void) | null> {
  const { admission, counts } = tenant;
  if (admission === null) return null;
  const before = admission.waiting;
  const entering = admission.enter(signal);
  if (admission.waiting > before) counts.queued++;
  if (await entering) return () => admission.leave();
  if (signal?.aborted !== true) counts.turnedAway++;
  services.logger.warn("A request was turned away: too many are under way", {
    listener: tenant.name,
    waiting: admission.waiting,
  });
  throw new GatewayError("overloaded", "Too many requests are under way", {
    hint: "Try again in a moment; the operator's limit is max_in_flight of the listener",
    retryAfterSeconds: 1,
  });
}
