import { Flight } from "../cache/flight.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { Exchange } from "../request/exchange.ts";
import { refuseLoop } from "../forward/chain.ts";
import { requestDirectives } from "../http/cache_control.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { follow, whole } from "./follow.ts";
import { lead } from "./lead.ts";
import { passThrough } from "./pass_through.ts";

export { judged } from "./follow.ts";

/** Why an upstream is asked, and what there is to fall back on. */
export interface SharedFetch {
  readonly fwd: FwdReason;
  /** A stored response that can be validated; `null` where there is none. */
  readonly stale: StoredResponse | null;
}

/** Fetches a response that may be shared: at most one request for a key is under way, in all workers together. */
export async function fetchShared(exchange: Exchange, { fwd, stale }: SharedFetch): Promise<Response> {
  exchange.outliveResponse();
  refuseLoop(exchange);
  // What comes back may be for this request alone, which the next one cannot know before: nobody waits for it.
  if (mayBeAlone(exchange)) return await lead(exchange, { flight: new Flight(exchange.key), fwd, stale });
  const entry = exchange.services.collapse.enter(exchange.key);
  if (entry.role === "leader") return await lead(exchange, { flight: entry.flight, fwd, stale });
  if (entry.role === "solo") return await passThrough(exchange, { fwd, detail: "hit-for-miss" });
  const result = await entry.result;
  return follow(exchange, { fwd, result });
}

/** Requests whose answer is stored only if it says so (RFC 9111 §3.5), or never (RFC 9111 §5.2.1.5). */
function mayBeAlone(exchange: Exchange): boolean {
  if (!exchange.sharedAuthorization && exchange.header("authorization") !== null) return true;
  return requestDirectives(exchange.header("cache-control")).noStore;
}

/**
 * A response that another worker has just stored and the disk tier does not have yet; `null` where there is none, or it is still
 * coming in.
 */
export async function heldElsewhere(exchange: Exchange, key: string): Promise<StoredResponse | null> {
  const { collapse, invalidations } = exchange.services;
  const entry = collapse.enter(key);
  if (entry.role === "leader") collapse.finish(entry.flight, null);
  if (entry.role !== "follower") return null;
  const result = await entry.result;
  if (result.kind !== "shared" || invalidations.since(key, result.head.requestTimeMs)) return null;
  return await whole(result);
}

/** Validates a stale response while it is being served; does nothing when that is under way or too much is. */
export function revalidateInBackground(exchange: Exchange, stale: StoredResponse): void {
  const { collapse, background } = exchange.services;
  if (background.isFull) return;
  const entry = collapse.enter(exchange.key);
  if (entry.role !== "leader") return;
  const quiet = exchange.inBackground();
  background.add(
    lead(quiet, { flight: entry.flight, fwd: "stale", stale }).then((response) => response.body?.cancel()),
  );
}
