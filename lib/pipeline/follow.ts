import { Flight, type FlightResult } from "../cache/flight.ts";
import { evaluate, selects, type Verdict } from "../cache/policy.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { forwardNote, hitNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { type Filled, respondFill } from "../deliver/respond_fill.ts";
import { respondForm } from "../deliver/respond_form.ts";
import { lead } from "./lead.ts";
import { passThrough } from "./pass_through.ts";

/** Bodies up to this size are waited for: they are on their way from the worker next door. */
const SMALL_BYTES = 262_144;

/** Answers from what another request fetched, where it is meant for this one too. */
export async function follow(
  exchange: Exchange,
  { fwd, result }: { fwd: FwdReason; result: FlightResult },
): Promise<Response> {
  if (result.kind === "failed") throw result.error;
  if (result.kind === "solo" || !isUsable(exchange, result)) {
    return await passThrough(exchange, { fwd, detail: "not-shared" });
  }
  const stored = await whole(result);
  if (stored !== null && result.head.responseTimeMs < exchange.startedAtMs) return await followLate(exchange, stored);
  const note = forwardNote(exchange, { fwd, served: result.head, collapsed: true, result: "collapsed" });
  return stored === null ? await respondFill(exchange, result, note) : await respondForm(exchange, stored, note);
}

/** A response that came before this request did is a stored one, whoever holds it: it serves as far as it is fresh. */
async function followLate(exchange: Exchange, stored: StoredResponse): Promise<Response> {
  const { kind, fwd } = judged(exchange, stored);
  if (kind === "hit" || kind === "stale_while_revalidate") {
    const result = kind === "hit" ? "hit_memory" : "stale";
    return await respondForm(exchange, stored, hitNote(exchange, stored, result));
  }
  const stale = kind === "validate" ? stored : null;
  return await lead(exchange, { flight: new Flight(exchange.key), fwd: fwd ?? "stale", stale });
}

/** Whether this request selects it too, and no unsafe request has changed it since it was asked for. */
function isUsable(exchange: Exchange, { head }: Filled): boolean {
  if (exchange.services.invalidations.since(head.key, head.requestTimeMs)) return false;
  return selects({ ...head, body: new Uint8Array() }, exchange);
}

/** How a stored response is to be used for this request. */
export function judged(exchange: Exchange, stored: StoredResponse): Verdict {
  return evaluate(exchange, stored, { options: exchange.tenant.policy!, nowMs: exchange.services.clock.now() });
}

/** The response as it will be stored; `null` while a large body is still coming in. */
export async function whole({ head, fill }: Filled): Promise<StoredResponse | null> {
  const body = fill.body ?? (fill.lengthBytes <= SMALL_BYTES ? await fill.whole() : null);
  return body === null ? null : { ...head, body };
}
