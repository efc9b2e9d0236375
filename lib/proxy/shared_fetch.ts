import type { FlightResult } from "../cache/flight.ts";
import { selects } from "../cache/reuse.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { forwardNote } from "./cache_note.ts";
import type { Exchange } from "./exchange.ts";
import { lead } from "./lead.ts";
import { passThrough } from "./pass_through.ts";
import { respondFill } from "./respond_fill.ts";

/** Why an upstream is asked, and what there is to fall back on. */
export interface SharedFetch {
  readonly fwd: FwdReason;
  /** A stored response that can be validated; `null` where there is none. */
  readonly stale: StoredResponse | null;
}

/** Fetches a response that may be shared: at most one request for a key is under way, in all workers together. */
export async function fetchShared(exchange: Exchange, { fwd, stale }: SharedFetch): Promise<Response> {
  exchange.outliveResponse();
  const entry = exchange.services.collapse.enter(exchange.key);
  if (entry.role === "leader") return await lead(exchange, { flight: entry.flight, fwd, stale });
  if (entry.role === "solo") return await passThrough(exchange, fwd, "hit-for-miss");
  const result = await entry.result;
  return follow(exchange, { fwd, result });
}

/** Answers from what another request fetched, where it is meant for this one too. */
function follow(
  exchange: Exchange,
  { fwd, result }: { fwd: FwdReason; result: FlightResult },
): Response | Promise<Response> {
  if (result.kind === "failed") throw result.error;
  if (result.kind === "solo" || !selects({ ...result.head, body: new Uint8Array() }, exchange)) {
    return passThrough(exchange, fwd, "not-shared");
  }
  const note = forwardNote(exchange, { fwd, served: result.head, collapsed: true, result: "collapsed" });
  return respondFill(exchange, result, note);
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
