import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Endpoint } from "../request/snapshot.ts";
import type { Fields } from "../http/fields.ts";

/** Tells another Usher that its failure will not be the end: the number of the sender's try. */
export const ATTEMPT_FIELD = "x-usher-attempt";

const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Refuses a request that has been here before and would go round for ever (RFC 8586). To be called before a request waits for
 * another of the same key: in a loop that other one waits for it.
 *
 * @throws {GatewayError} `loop_detected`
 */
export function refuseLoop(exchange: Exchange): void {
  if (!exchange.header("cdn-loop")?.includes(exchange.services.instanceId)) return;
  throw new GatewayError("loop_detected", "The request came back to this gateway", {
    hint: "An upstream of this pool leads back to this gateway: check the pool's urls",
  });
}

/** Tries that a request may have: one where a gateway before this one, which we trust, tries again itself. */
export function triesAllowed(exchange: Exchange): number {
  const { services, tenant } = exchange;
  const isRepeatedBefore = exchange.header(ATTEMPT_FIELD) !== null && services.settings.isTrusted(exchange.peer);
  return isRepeatedBefore ? 1 : tenant.pool.attempts;
}

/** As much of a try as decides what the next gateway is told. */
interface Sending {
  readonly endpoint: Endpoint;
  readonly ask: { readonly body: unknown };
}

/** Whether a request is tried again at all once an upstream has had it. */
function isRepeatable({ method, private: reason }: Exchange, body: unknown): boolean {
  return body === null && reason === null && REPEATABLE.has(method);
}

/**
 * What another Usher is told of the present try. It is spared its own further tries only while there is somebody else to ask:
 * the last one of a pool has to do what it can.
 */
export function attemptFields(exchange: Exchange, { endpoint, ask }: Sending): Fields {
  if (!endpoint.usher || !isRepeatable(exchange, ask.body) || exchange.tries >= triesAllowed(exchange)) return [];
  const nowMs = exchange.services.clock.now();
  const { upstreams } = exchange.tenant.pool.pool;
  const inUse = upstreams.filter((upstream) => upstream.weight > 0 && upstream.circuit(nowMs) !== "open").length;
  // Each try so far, the present one included, has taken one of them at most.
  return inUse > exchange.tries ? [[ATTEMPT_FIELD, String(exchange.tries)]] : [];
}
