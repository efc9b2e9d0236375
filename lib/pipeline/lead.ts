import type { Flight } from "../cache/flights/flight.ts";
import { freshen } from "../cache/policy/freshen.ts";
import { validationFields } from "../cache/policy/reuse.ts";
import type { CacheRequest } from "../cache/policy/policy_options.ts";
import { type NotStorable, storable } from "../cache/policy/storable.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { clientFields, sentCacheControl } from "../deliver/client_fields.ts";
import { discard, type UpstreamAnswer } from "../forward/attempt.ts";
import { codingsOf, decodedLimitBytes, decodedResponse } from "../forward/decode.ts";
import type { Ask } from "../forward/outgoing.ts";
import { refuseOutage } from "../forward/refuse.ts";
import type { ForwardReason } from "../forward_reason.ts";
import { acceptsCoding } from "../http/content_coding.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import { asFailure, clientError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import type { UpstreamFailure } from "../upstream_client/transport.ts";
import { askSizes } from "./ask_sizes.ts";
import { passThrough } from "./pass_through.ts";
import { staleAnswer } from "./stale.ts";
import { deleteStored } from "./invalidate.ts";
import { landWhole, shareStored, storeResponse, type Storing } from "./store_response.ts";
import { mustAskAgain, streamAnswer, wholeDocument } from "./stream_answer.ts";

/** The fetch that a request leads. */
export interface LeadTask {
  readonly flight: Flight;
  readonly fwd: ForwardReason;
  /** A stored response that can be validated, or served if no upstream answers. */
  readonly stale: StoredResponse | null;
}

/**
 * Fetches for all requests that wait for a key: asks upstreams, stores the response if it may be stored, and answers its own request.
 *
 * @throws {GatewayError} when no upstream answers and no stored response may be served
 */
export async function lead(exchange: Exchange, task: LeadTask): Promise<Answer> {
  const { stale, flight } = task;
  try {
    if (stale !== null) refuseOutage(exchange);
    return await processAnswer(exchange, task, await ask(exchange, task));
  } catch (thrown) {
    const error = clientError(thrown) as Error;
    const answer = staleAnswer(exchange, task, error);
    if (answer !== null) {
      shareStale(exchange, task);
      return answer;
    }
    flight.land({ kind: "failed", error });
    exchange.services.collapse.finish(flight, null);
    throw error;
  }
}

function ask(exchange: Exchange, task: LeadTask, avoid?: UpstreamAnswer["upstream"]): Promise<UpstreamAnswer> {
  const { stale, flight } = task;
  const what: Ask = {
    method: "GET",
    forCache: true,
    conditions: stale === null ? [] : validationFields(stale),
    body: null,
  };
  // An answer is wanted by the client, by requests that follow, or for the cache.
  const isWanted = () => exchange.fillsToTheEnd || flight.isFollowed || !exchange.hasLeft;
  if (exchange.fillsToTheEnd) return askSizes(exchange, what, { isWanted, avoid });
  return askWhileWanted(
    exchange,
    flight,
    (signal) => askSizes(exchange, what, { isWanted, avoid, signal }),
    isWanted,
  );
}

/** Aborts the fetch when the client leaves and no other request wants an answer. */
async function askWhileWanted(
  exchange: Exchange,
  flight: Flight,
  start: (signal: AbortSignal) => Promise<UpstreamAnswer>,
  isWanted: () => boolean,
): Promise<UpstreamAnswer> {
  const { signal: left } = exchange;
  const ending = new AbortController();
  const end = () => {
    if (isWanted()) return;
    // Before the fetch ends, so that no request joins one that will fail.
    exchange.services.collapse.finish(flight, null);
    ending.abort(left.reason);
  };
  left.addEventListener("abort", end);
  try {
    return await start(ending.signal);
  } finally {
    left.removeEventListener("abort", end);
  }
}

/** Renews, stores or passes on an upstream's answer, or serves a stale response in its place. */
function processAnswer(exchange: Exchange, task: LeadTask, answer: UpstreamAnswer): Answer | Promise<Answer> {
  const { stale, flight, fwd } = task;
  const { status } = answer.response;
  if (status === 304 && stale !== null) {
    return renewStored(exchange, task, answer) ?? askUnconditionally(exchange, task);
  }
  const staleServed = staleAnswer(exchange, task, status);
  if (staleServed !== null) {
    shareStale(exchange, task);
    discard(answer);
    return staleServed;
  }
  const response = exchange.tenant.type.acceptEncoding === "gzip"
    ? decodedResponse(answer.response, decodedLimitBytes(exchange.services.settings.maxEntryBytes))
    : answer.response;
  const decoded = response === answer.response ? answer : answer.with(response);
  const decision = storable({
    request: fetchedRequest(exchange),
    head: response,
    times: decoded.times,
    options: exchange.tenant.policy!,
  });
  if (!decision.store) return passUnstorable(exchange, task, inAcceptedCoding(exchange, answer, decoded), decision);
  return store(exchange, task, answer, { flight, fwd, decision, answer: decoded });
}

/** An answer for its own client alone: in the coding that it came in, where the client takes that. */
function inAcceptedCoding(exchange: Exchange, answer: UpstreamAnswer, decoded: UpstreamAnswer): UpstreamAnswer {
  if (answer === decoded || exchange.rewrite !== null) return decoded;
  const accepted = exchange.header("accept-encoding");
  if (accepted === null || !codingsOf(answer.response.fields).every((coding) => acceptsCoding(accepted, coding))) {
    return decoded;
  }
  return answer;
}

async function store(exchange: Exchange, task: LeadTask, answer: UpstreamAnswer, storing: Storing): Promise<Answer> {
  let taken: Answer | null;
  try {
    taken = await storeResponse(exchange, storing);
  } catch (error) {
    return await askAgain(exchange, task, answer, asFailure(error));
  }
  // The whole that was fetched for a range request cannot be stored: the range is asked for.
  return taken ?? await passThrough(exchange, { fwd: task.fwd, detail: "not-stored" });
}

/** The request as it was sent: with GET also where the client uses HEAD. */
function fetchedRequest(exchange: Exchange): CacheRequest {
  if (exchange.method === "GET") return exchange;
  const { path, sharedAuthorization, private: reason, routeTtl, isNegotiated } = exchange;
  const header = (name: string) => exchange.header(name);
  return { method: "GET", path, sharedAuthorization, private: reason, routeTtl, isNegotiated, header };
}

/** Passes on an answer that may not be stored, and remembers that for its key, so that the next requests do not wait for each other. */
function passUnstorable(
  exchange: Exchange,
  { flight, fwd }: LeadTask,
  answer: UpstreamAnswer,
  { reason, hitForMissMs }: NotStorable,
): Answer | Promise<Answer> {
  const { collapse } = exchange.services;
  collapse.rememberSolo(flight, hitForMissMs);
  collapse.finish(flight, null);
  if (mustAskAgain(exchange, answer)) exchange.leaveUnchanged();
  if (exchange.wantsPart && exchange.rewrite === null) {
    discard(answer);
    return passThrough(exchange, { fwd, detail: reason });
  }
  const note = forwardNote(exchange, { fwd, detail: reason });
  return wholeDocument(exchange, streamAnswer(exchange, answer, { note, askedMethod: "GET" }));
}

/**
 * Renews the fields of a stored response that a 304 confirms (RFC 9111 §4.3.4); `null` for a 304 about another response.
 */
function renewStored(exchange: Exchange, task: LeadTask, answer: UpstreamAnswer): Answer | null {
  const { store, collapse } = exchange.services;
  const stale = task.stale!;
  discard(answer);
  const head = { ...answer.response, fields: clientFields(exchange, answer.response.fields) };
  const freshened = freshen(stale, head, { request: exchange, times: answer.times, options: exchange.tenant.policy! });
  if (freshened === null) return null;
  const { keep, ownFields } = freshened;
  const { fields, freshness } = freshened.response;
  const fresh = freshened.response.with({ fields: sentCacheControl(exchange.tenant, fields, freshness) });
  if (keep === "replace") {
    store.put(fresh);
    shareStored(exchange, fresh, null);
    exchange.tenant.deriver?.onStored?.(exchange, fresh);
  }
  if (keep === "delete") deleteStored(exchange, stale.key);
  const shared = keep === "replace" ? fresh : null;
  if (shared !== null) landWhole(task.flight, shared);
  collapse.finish(task.flight, shared);
  const note = forwardNote(exchange, { fwd: task.fwd, fwdStatus: 304, stored: fresh, result: "revalidated" });
  const response = ownFields.length === 0 ? fresh : fresh.with({ fields: [...fresh.fields, ...ownFields] });
  return { kind: "stored", note, response };
}

/** Asks for the whole, after a 304 that was about another response. */
async function askUnconditionally(exchange: Exchange, task: LeadTask): Promise<Answer> {
  const unconditional = { ...task, stale: null };
  return await processAnswer(exchange, unconditional, await ask(exchange, unconditional));
}

/** Fetches once more after a body that broke off before any of it was passed on, from another upstream if there is one. */
async function askAgain(
  exchange: Exchange,
  task: LeadTask,
  { upstream }: UpstreamAnswer,
  failure: UpstreamFailure,
): Promise<Answer> {
  const message = failure.kind === "content" ? "A response has the wrong content" : "A response broke off";
  exchange.services.repeats.warn("upstream", message, upstream.id, {
    id: exchange.requestId,
    upstream: upstream.id,
    problem: failure.message,
  });
  if (exchange.tries >= exchange.tenant.pool.attempts || failure.kind === "too_large") throw failure;
  return await processAnswer(exchange, task, await ask(exchange, task, upstream));
}

/** Gives the stale response to all requests that wait. */
function shareStale(exchange: Exchange, { flight, stale }: LeadTask): void {
  landWhole(flight, stale!);
  exchange.services.collapse.finish(flight, null);
}
