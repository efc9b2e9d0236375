import type { Flight } from "../cache/flight.ts";
import type { NotStorable } from "../cache/storable.ts";
import { forwardNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { type Answer, discard } from "../forward/forward.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { passThrough } from "./pass_through.ts";
import { isAskedInVain, respondAnswer } from "./respond_answer.ts";

/** An answer that may not be stored, and why. */
export interface Unstorable {
  readonly flight: Flight;
  readonly fwd: FwdReason;
  readonly answer: Answer;
  readonly decision: NotStorable;
}

/** Passes on an answer that is for its own request alone, and remembers that, so that the next ones do not wait for each other. */
export async function respondUnstored(exchange: Exchange, unstorable: Unstorable): Promise<Response> {
  const { flight, fwd, answer, decision } = unstorable;
  const { collapse } = exchange.services;
  collapse.rememberSolo(exchange.key, decision.hitForMissMs);
  collapse.finish(flight, null);
  const detail = decision.reason;
  if (isAskedInVain(exchange, answer)) exchange.leaveAsItIs();
  if (!exchange.wantsPart || exchange.rewrite !== null) {
    return await respondAnswer(exchange, answer, { note: forwardNote(exchange, { fwd, detail }), method: "GET" });
  }
  discard(answer);
  return await passThrough(exchange, { fwd, detail });
}

/** Asks for what the client wants itself: the whole that was fetched in its place is not to be had from the store. */
export async function respondAnew(exchange: Exchange, fwd: FwdReason): Promise<Response> {
  return await passThrough(exchange, { fwd, detail: "not-stored" });
}
