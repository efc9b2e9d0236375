import type { StoredResponse } from "../cache/stored_response.ts";
import { forwardNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { type Answer, askUpstreams, clientError, discard } from "../forward/forward.ts";
import { peekedBody } from "../forward/peeked_body.ts";
import { requestBody } from "../forward/request_body.ts";
import type { FwdReason } from "../http/cache_status.ts";
import { learn } from "./learn.ts";
import { keepPart } from "./part.ts";
import { isAskedInVain, respondAnswer, respondDirect } from "./respond_answer.ts";
import { staleFor } from "./stand_in.ts";

/** Why a request goes past the cache, and what the cache still learns of it. */
export interface Passing {
  readonly fwd: FwdReason;
  readonly detail: string | null;
  /** What the store holds for a `HEAD`: the answer may be news of it (RFC 9111 §4.3.5). */
  readonly held?: StoredResponse;
  /** What is held may be served stale where upstreams fail. */
  readonly standsIn?: boolean;
  /** The answer to a range request is worth keeping. */
  readonly keepsPart?: boolean;
}

/**
 * Takes a request to an upstream and its response back, both streamed. The upstream's request ends when the client leaves.
 *
 * @throws {GatewayError} when no upstream answers
 */
export async function passThrough(exchange: Exchange, passing: Passing): Promise<Response> {
  exchange.outliveResponse();
  const body = await peekedBody(exchange, requestBody(exchange));
  const ask = { method: exchange.method, forCache: false, conditions: [], body };
  let answer: Answer | null = null;
  try {
    answer = await askUpstreams(exchange, ask, { signal: exchange.request.signal });
    if (body === null && isAskedInVain(exchange, answer)) {
      discard(answer);
      exchange.leaveAsItIs();
      return await passThrough(exchange, passing);
    }
    const stale = standing(exchange, passing, answer.response.status);
    if (stale !== null) {
      discard(answer);
      return await stale;
    }
    learn(exchange, answer, passing.held);
    // Whoever sees this response may ask another worker next.
    if (passing.fwd === "method") await exchange.services.forgotten();
    return await respond(exchange, answer, passing);
  } catch (error) {
    if (answer !== null) discard(answer);
    const failure = clientError(error) as Error;
    const stale = standing(exchange, passing, failure);
    if (stale === null) throw failure;
    return await stale;
  }
}

function standing(
  exchange: Exchange,
  { fwd, held, standsIn }: Passing,
  cause: number | Error,
): Response | Promise<Response> | null {
  if (standsIn !== true || held === undefined || exchange.request.signal.aborted) return null;
  return staleFor(exchange, { fwd, stale: held }, cause);
}

function respond(
  exchange: Exchange,
  answer: Answer,
  { fwd, detail, keepsPart }: Passing,
): Response | Promise<Response> {
  const part = keepsPart === true ? keepPart(exchange, answer) : null;
  const result = fwd === "bypass" || fwd === "method" ? "bypass" : "miss";
  const note = forwardNote(exchange, { fwd, detail: token(detail), result });
  if (part === null) return respondAnswer(exchange, answer, { note, method: exchange.method });
  return respondDirect(exchange, answer, {
    note,
    read: part.read,
    onEnd: (failure) => part.onEnd(failure === undefined),
  });
}

/** Reasons are words; as a detail of `Cache-Status` they read better joined. */
function token(detail: string | null): string | null {
  return detail === null ? null : detail.replaceAll(" ", "-");
}
