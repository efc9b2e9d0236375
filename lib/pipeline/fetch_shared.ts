import { Flight, type FlightResult } from "../cache/flights/flight.ts";
import { evaluate, type Verdict } from "../cache/policy/policy.ts";
import { selects } from "../cache/policy/reuse.ts";
import type { StoredHead, StoredResponse } from "../cache/stored_response.ts";
import { deliver } from "../deliver/deliver.ts";
import { refuseLoop } from "../forward/refuse.ts";
import type { ForwardReason } from "../forward_reason.ts";
import { requestDirectives } from "../http/cache_control.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote, hitNote, RESULT_OF_TIER } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { DerivableRequest } from "../request/snapshot.ts";
import { needsOrigin } from "../deliver/conditions.ts";
import { askGateways, type FromGateways, sharingOf } from "./ask_gateways.ts";
import { lead, type LeadTask } from "./lead.ts";
import { passThrough } from "./pass_through.ts";
import { landWhole, WHOLE_BYTES } from "./store_response.ts";

/** Why an upstream is asked, and the stored response, if any, that may be validated. */
export interface SharedFetch {
  readonly fwd: ForwardReason;
  /** A stored response that can be validated; `null` where there is none. */
  readonly stale: StoredResponse | null;
}

/**
 * Fetches a response that may be shared: at most one request for a key, and for each variant that is known of it, is under way, in all
 * workers together.
 */
export function fetchShared(exchange: Exchange, fetch: SharedFetch): Promise<Answer> {
  const { fwd, stale } = fetch;
  refuseLoop(exchange);
  const key = exchange.variantKey;
  // The response may turn out to be for this request alone: no other one waits for it.
  if (isLikelyUnshared(exchange)) return lead(exchange, { flight: new Flight(key), fwd, stale });
  const entry = exchange.services.collapse.enter(key);
  if (entry.role === "leader") return leadForAll(exchange, { flight: entry.flight, fwd, stale });
  if (entry.role === "solo") return passThrough(exchange, { fwd, detail: "hit-for-miss" });
  exchange.enter("queue");
  const waiting = exchange.trace?.child("wait for another request's fetch", "internal");
  return entry.result.then((result) => {
    waiting?.end();
    return follow(exchange, fetch, result);
  });
}

/** Fetches, unless another gateway has stored a response that answers, or does so now. */
function leadForAll(exchange: Exchange, task: LeadTask): Promise<Answer> {
  const { store } = exchange.services;
  const sharing = sharingOf(exchange, task.fwd);
  // Who may have missed a purge cannot tell what of others it concerns.
  if (sharing === null || !store.isTrusted) return lead(exchange, task);
  const asking = exchange.trace?.child("look up in the shared tier", "internal");
  return exchange.during("queue", askGateways(exchange, task, sharing)).then((found) => {
    asking?.end();
    return found.kind === "lead" ? lead(exchange, found.task) : answerShared(exchange, task, found);
  });
}

/** Answers all requests that wait with what another gateway has stored. */
function answerShared(
  exchange: Exchange,
  { flight }: LeadTask,
  { response, verdict }: Extract<FromGateways, { kind: "answer" }>,
): Answer | Promise<Answer> {
  landWhole(flight, response);
  exchange.services.collapse.finish(flight, response);
  if (needsOrigin(exchange, response)) return passThrough(exchange, { fwd: "request", detail: "precondition" });
  const isFresh = verdict.kind === "hit";
  if (!isFresh && !exchange.isBackground) revalidateInBackground(exchange, response);
  return { kind: "stored", note: hitNote(exchange, response, isFresh ? "hit_shared" : "stale"), response };
}

/** Requests whose answer is stored only if it says so (RFC 9111 §3.5), or never (RFC 9111 §5.2.1.5; a stream without end). */
function isLikelyUnshared(exchange: Exchange): boolean {
  if (!exchange.sharedAuthorization && exchange.header("authorization") !== null) return true;
  // A stream of events has no end to wait for.
  if (exchange.header("accept") === "text/event-stream") return true;
  return requestDirectives(exchange.header("cache-control")).noStore;
}

/** Answers with the response of another request's fetch, where that may be shared. */
async function follow(exchange: Exchange, fetch: SharedFetch, result: FlightResult): Promise<Answer> {
  const { fwd } = fetch;
  if (result.kind === "failed") throw result.error;
  exchange.enter("own");
  const { isTrusted } = exchange.services.store;
  // It was asked for before this request: a purge in between may not be known here.
  const isDoubtful = !isTrusted && result.kind === "shared" && result.head.requestTimeMs < exchange.startedAtMs;
  if (result.kind === "solo" || exchange.isChanged(result.head) || isDoubtful) {
    return await passThrough(exchange, { fwd, detail: "not-shared" });
  }
  if (!selects(result.head, exchange)) return await followVariant(exchange, fetch, result.head);
  // In the same turn: the body's other readers may be about to leave.
  exchange.enter("body");
  const stored = await whole(result);
  if (stored !== null && result.head.responseTimeMs < exchange.startedAtMs) return await followLate(exchange, stored);
  const note = forwardNote(exchange, { fwd, served: result.head, collapsed: true, result: "collapsed" });
  if (stored !== null) return { kind: "stored", note, response: stored, isNew: true };
  return { kind: "filling", note, head: result.head, fill: result.fill };
}

/** A response that came before this request is a stored one, in this worker or another: it is served as far as it is fresh. */
async function followLate(exchange: Exchange, stored: StoredResponse): Promise<Answer> {
  const { kind, fwd } = verdictOn(exchange, stored);
  if (kind === "hit" || kind === "stale_while_revalidate") {
    const note = hitNote(exchange, stored, kind === "hit" ? "hit_memory" : "stale");
    return { kind: "stored", note, response: stored };
  }
  const stale = kind === "validate" ? stored : null;
  return await lead(exchange, { flight: new Flight(exchange.variantKey), fwd: fwd ?? "stale", stale });
}

type Shared = Extract<FlightResult, { kind: "shared" }>;

/**
 * The fetched response is another variant than this request selects: the request joins the fetch of its own one, now that the
 * selecting fields are known (RFC 9111 §4.1).
 */
async function followVariant(exchange: Exchange, { stale }: SharedFetch, head: StoredHead): Promise<Answer> {
  // The fields were known before, and led here: a second time would not help.
  if (exchange.variants !== null) return await passThrough(exchange, { fwd: "vary-miss", detail: "not-shared" });
  exchange.knowVariants(head);
  const found = await exchange.services.store.get(exchange.variantKey);
  if (
    found !== undefined && !exchange.isChanged(found.response) && verdictOn(exchange, found.response).kind === "hit"
  ) {
    const { response, tier } = found;
    return {
      kind: "stored",
      note: hitNote(exchange, response, RESULT_OF_TIER[tier]),
      response,
    };
  }
  return await fetchShared(exchange, { fwd: "vary-miss", stale });
}

/** The policy's verdict on a stored response for this request. */
export function verdictOn(request: DerivableRequest, stored: StoredResponse): Verdict {
  return evaluate(request, stored, { options: request.tenant.policy!, nowMs: request.services.clock.now() });
}

/** The response as it will be stored; `null` while a large body is still coming in. */
async function whole({ head, fill }: Shared): Promise<StoredResponse | null> {
  const body = fill.body ?? (fill.lengthBytes <= WHOLE_BYTES ? await fill.whole() : null);
  return body === null ? null : head.withBody(body);
}

/**
 * A response that another worker has just stored and the disk tier does not have yet; `null` where there is none, or it is still
 * coming in.
 */
export async function fromOtherWorker(exchange: Exchange, key: string): Promise<StoredResponse | null> {
  const { collapse } = exchange.services;
  const entry = collapse.enter(key);
  if (entry.role === "leader") collapse.finish(entry.flight, null);
  if (entry.role !== "follower") return null;
  const result = await exchange.during("queue", entry.result);
  if (result.kind !== "shared" || exchange.isChanged(result.head)) return null;
  const stored = await whole(result);
  return stored === null ? null : exchange.services.store.trusted(stored);
}

/** Validates a stale response in the background; does nothing when that is under way or too many tasks are. */
export function revalidateInBackground(exchange: Exchange, stale: StoredResponse): void {
  const { collapse, background } = exchange.services;
  if (background.isFull) return;
  const entry = collapse.enter(exchange.variantKey);
  if (entry.role !== "leader") return;
  const quiet = exchange.inBackground();
  quiet.trace = exchange.trace?.child("validate in the background", "internal") ?? null;
  background.add(
    leadForAll(quiet, { flight: entry.flight, fwd: "stale", stale }).then((answer) => prepareForms(quiet, answer))
      .finally(() => quiet.trace?.end()),
  );
}

/** Delivers to no client, so that the forms that later requests ask for are made. A body that is not being stored is given up. */
async function prepareForms(quiet: Exchange, answer: Answer): Promise<void> {
  const { body } = await deliver(quiet, answer);
  if (body !== null && "cancel" in body) body.cancel();
}
