import type { Flight } from "../cache/flights/flight.ts";
import { freshen } from "../cache/policy/freshen.ts";
import { validationFields } from "../cache/policy/reuse.ts";
import type { CacheRequest } from "../cache/policy/policy_options.ts";
import { type NotStorable, storable } from "../cache/policy/storable.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { clientFields } from "../deliver/client_fields.ts";
import { sentCacheControl } from "../deliver/sent_cache_control.ts";
import { discard, type UpstreamAnswer } from "../forward/attempt.ts";
import { codingsOf, decodedLimitBytes, decodedResponse } from "../forward/decode.ts";
import { askUpstreams } from "../forward/forward.ts";
import { refuseOutage } from "../forward/offline.ts";
import type { Ask } from "../forward/outgoing.ts";
import { acceptsCoding } from "../http/content_coding.ts";
import type { FwdReason } from "../http/cache_status.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import { asFailure, clientError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import type { UpstreamFailure } from "../upstream_client/transport.ts";
import { passThrough } from "./pass_through.ts";
import { staleFor } from "./stale.ts";
import { isAskedInVain, streamAnswer } from "./stream_answer.ts";
import { landWhole, type Storing, takeIn } from "./take_in.ts";
import { wholeDocument } from "./whole_document.ts";

/** What a leader starts from. */
export interface Lead {
  readonly flight: Flight;
  readonly fwd: FwdReason;
  /** A stored response that can be validated, or served if no upstream answers. */
  readonly stale: StoredResponse | null;
}

/**
 * Fetches for everyone who waits for a key: asks upstreams, stores what may be stored, and answers its own request.
 *
 * @throws {GatewayError} when no upstream answers and no stored response may stand in
 */
export async function lead(exchange: Exchange, task: Lead): Promise<Answer> {
  const { stale, flight } = task;
  try {
    if (stale !== null) refuseOutage(exchange);
    return await settleAnswer(exchange, task, await ask(exchange, task));
  } catch (thrown) {
    const error = clientError(thrown) as Error;
    const answer = staleFor(exchange, task, error);
    if (answer !== null) {
      shareStale(exchange, task);
      return answer;
    }
    flight.land({ kind: "failed", error });
    exchange.services.collapse.finish(flight, null);
    throw error;
  }
}

function ask(exchange: Exchange, task: Lead, avoid?: UpstreamAnswer["upstream"]): Promise<UpstreamAnswer> {
  const { stale, flight } = task;
  const what: Ask = {
    method: "GET",
    forCache: true,
    conditions: stale === null ? [] : validationFields(stale),
    body: null,
  };
  // An answer is of use to the client, to others who wait, or to the cache.
  const isWanted = () => exchange.fillsToTheEnd || flight.isFollowed || !exchange.hasLeft;
  if (exchange.fillsToTheEnd) return askUpstreams(exchange, what, { isWanted, avoid });
  return askWhileWanted(
    exchange,
    flight,
    (signal) => askUpstreams(exchange, what, { isWanted, avoid, signal }),
    isWanted,
  );
}

/** Ends what is asked when the client leaves and nobody else wants an answer. */
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
    // Before the fetch ends, so that nobody joins what will fail.
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

/** What an upstream's answer means for the cache, and for the request that fetched it. */
function settleAnswer(exchange: Exchange, task: Lead, answer: UpstreamAnswer): Answer | Promise<Answer> {
  const { stale, flight, fwd } = task;
  const { status } = answer.response;
  if (status === 304 && stale !== null) {
    return renewStored(exchange, task, answer) ?? askUnconditionally(exchange, task);
  }
  const standIn = staleFor(exchange, task, status);
  if (standIn !== null) {
    shareStale(exchange, task);
    discard(answer);
    return standIn;
  }
  const response = exchange.tenant.type.acceptEncoding === "gzip"
    ? decodedResponse(answer.response, decodedLimitBytes(exchange.services.settings.maxEntryBytes))
    : answer.response;
  const decoded = response === answer.response ? answer : answer.with(response);
  const times = { requestTimeMs: answer.requestTimeMs, responseTimeMs: response.receivedAtMs };
  const decision = storable({ request: fetched(exchange), head: response, times, options: exchange.tenant.policy! });
  if (!decision.store) return unstorable(exchange, task, passable(exchange, answer, decoded), decision);
  return store(exchange, task, answer, { flight, fwd, decision, answer: decoded });
}

/** An answer that is for its own client: as it came, where that client takes its coding. */
function passable(exchange: Exchange, answer: UpstreamAnswer, decoded: UpstreamAnswer): UpstreamAnswer {
  if (answer === decoded || exchange.rewrite !== null) return decoded;
  const accepted = exchange.header("accept-encoding");
  if (accepted === null || !codingsOf(answer.response.fields).every((coding) => acceptsCoding(accepted, coding))) {
    return decoded;
  }
  return answer;
}

async function store(exchange: Exchange, task: Lead, answer: UpstreamAnswer, storing: Storing): Promise<Answer> {
  let taken: Answer | null;
  try {
    taken = await takeIn(exchange, storing);
  } catch (error) {
    return await askAgain(exchange, task, answer, asFailure(error));
  }
  // The whole that was fetched in place of a part is not to be had from the store: the part is asked for.
  return taken ?? await passThrough(exchange, { fwd: task.fwd, detail: "not-stored" });
}

/** The request that was sent: the whole is asked for also where the client wants its fields only. */
function fetched(exchange: Exchange): CacheRequest {
  if (exchange.method === "GET") return exchange;
  const { path, sharedAuthorization, private: reason, routeTtl, isNegotiated } = exchange;
  const header = (name: string) => exchange.header(name);
  return { method: "GET", path, sharedAuthorization, private: reason, routeTtl, isNegotiated, header };
}

/** Passes on an answer that is for its own request alone, and remembers that, so that the next ones do not wait for each other. */
function unstorable(
  exchange: Exchange,
  { flight, fwd }: Lead,
  answer: UpstreamAnswer,
  { reason, hitForMissMs }: NotStorable,
): Answer | Promise<Answer> {
  const { collapse } = exchange.services;
  collapse.rememberSolo(flight.key, hitForMissMs);
  collapse.finish(flight, null);
  if (isAskedInVain(exchange, answer)) exchange.leaveAsItIs();
  if (exchange.wantsPart && exchange.rewrite === null) {
    discard(answer);
    return passThrough(exchange, { fwd, detail: reason });
  }
  const note = forwardNote(exchange, { fwd, detail: reason });
  return wholeDocument(exchange, streamAnswer(exchange, answer, { note, askedMethod: "GET" }));
}

/**
 * The stored response is still good: its fields are renewed (RFC 9111 §4.3.4). A 304 about another response is worth nothing: the
 * answer is `null` then.
 */
function renewStored(exchange: Exchange, task: Lead, answer: UpstreamAnswer): Answer | null {
  const { store, collapse } = exchange.services;
  const stale = task.stale!;
  discard(answer);
  const times = { requestTimeMs: answer.requestTimeMs, responseTimeMs: answer.response.receivedAtMs };
  const head = { ...answer.response, fields: clientFields(exchange, answer.response.fields) };
  const freshened = freshen(stale, head, { request: exchange, times, options: exchange.tenant.policy! });
  if (freshened === null) return null;
  const { keep, ownFields } = freshened;
  const { fields, freshness } = freshened.response;
  const fresh = freshened.response.with({ fields: sentCacheControl(exchange.tenant, fields, freshness) });
  if (keep === "replace") {
    store.put(fresh);
    exchange.tenant.deriver?.kept?.(exchange, fresh);
  }
  if (keep === "delete") store.delete(stale.key);
  const shared = keep === "replace" ? fresh : null;
  if (shared !== null) landWhole(task.flight, shared);
  collapse.finish(task.flight, shared);
  const note = forwardNote(exchange, { fwd: task.fwd, fwdStatus: 304, stored: fresh, result: "revalidated" });
  const response = ownFields.length === 0 ? fresh : fresh.with({ fields: [...fresh.fields, ...ownFields] });
  return { kind: "stored", note, response };
}

/** Asks for the whole, after a 304 that was about another response. */
async function askUnconditionally(exchange: Exchange, task: Lead): Promise<Answer> {
  const unconditional = { ...task, stale: null };
  return await settleAnswer(exchange, unconditional, await ask(exchange, unconditional));
}

/** A body that broke off before any of it was passed on is fetched once more, from another upstream if there is one. */
async function askAgain(
  exchange: Exchange,
  task: Lead,
  { upstream }: UpstreamAnswer,
  failure: UpstreamFailure,
): Promise<Answer> {
  const message = failure.kind === "content" ? "A response is of no use" : "A response broke off";
  exchange.services.logger.warn(message, {
    id: exchange.requestId,
    upstream: upstream.id,
    problem: failure.message,
  });
  if (exchange.tries >= exchange.tenant.pool.attempts || failure.kind === "too_large") throw failure;
  return await settleAnswer(exchange, task, await ask(exchange, task, upstream));
}

/** Everyone who waits gets the stored response that stands in. */
function shareStale(exchange: Exchange, { flight, stale }: Lead): void {
  landWhole(flight, stale!);
  exchange.services.collapse.finish(flight, null);
}
