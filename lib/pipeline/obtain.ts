import { asksForValidation, evaluate, VALIDATION, type Verdict } from "../cache/policy/policy.ts";
import { ttlMs } from "../cache/policy/reuse.ts";
import type { Found } from "../cache/store.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { isVaryMarker, leadsTo } from "../cache/variants.ts";
import { needsOrigin } from "../deliver/conditions.ts";
import { GatewayError, messageOf } from "../errors.ts";
import { upgradeProtocol } from "../forward/refuse.ts";
import type { ForwardReason } from "../forward_reason.ts";
import type { Answer } from "../request/answer.ts";
import { derivedNote, hitNote, RESULT_OF_TIER } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Derived, Deriver } from "../request/snapshot.ts";
import { isPreflight, preflightAnswer } from "./arrive.ts";
import { fetchShared, fromOtherWorker, revalidateInBackground, verdictOn } from "./fetch_shared.ts";
import { findInGateways, sharingOf } from "./ask_gateways.ts";
import { fromPartial, partialKey } from "./partial_response.ts";
import { passThrough, passUpgrade } from "./pass_through.ts";
import { comingBackAnswer } from "./stale.ts";

/**
 * The answer to a request: stored, derived from stored responses, or from an upstream. A response in memory is returned without a promise.
 *
 * @throws {GatewayError} where there is none; also by rejection
 */
export function obtain(exchange: Exchange): Answer | Promise<Answer> {
  const { tenant, services, method } = exchange;
  if (method === "OPTIONS" && isPreflight(exchange)) return preflightAnswer(exchange);
  if (tenant.policy === null) return bypass(exchange, "bypass", null);
  if (method !== "GET" && method !== "HEAD") return bypass(exchange, "method", null);
  if (exchange.private !== null) return bypass(exchange, "bypass", exchange.private);
  // Content may change the response, and is no part of the key (RFC 9110 §9.3.1).
  if (exchange.arrival.body !== null) return bypass(exchange, "bypass", "body");
  if (exchange.header("upgrade") !== null && upgradeProtocol(exchange) !== null) {
    return bypass(exchange, "bypass", null);
  }
  const found = services.store.get(exchange.key);
  if (!(found instanceof Promise)) return selectVariant(exchange, found);
  const reading = exchange.trace?.child("look up on disk", "internal");
  return found.then((late) => {
    reading?.end();
    return selectVariant(exchange, late);
  });
}

function bypass(exchange: Exchange, fwd: ForwardReason, detail: string | null): Promise<Answer> {
  const upgrade = upgradeProtocol(exchange);
  if (upgrade === null) return passThrough(exchange, { fwd, detail });
  return passUpgrade(exchange, { fwd, detail: detail ?? "upgrade", upgrade });
}

/** Goes on to the variant that the request selects, where the key has several (RFC 9111 §4.1). */
function selectVariant(exchange: Exchange, found: Found | undefined): Answer | Promise<Answer> {
  if (found === undefined || !isVaryMarker(found.response)) return decide(exchange, valid(exchange, found), false);
  const marker = found.response;
  exchange.knowVariants(marker);
  const go = (variant: Found | undefined) => {
    const isVariant = variant !== undefined && leadsTo(marker, variant.response);
    return decide(exchange, isVariant ? valid(exchange, variant) : undefined, true);
  };
  const variant = exchange.services.store.get(exchange.variantKey);
  return variant instanceof Promise ? variant.then(go) : go(variant);
}

/** The stored response, unless an unsafe request has changed it since, in any worker (RFC 9111 §4.4). */
function valid(exchange: Exchange, found: Found | undefined): Found | undefined {
  return found === undefined || exchange.isChanged(found.response) ? undefined : found;
}

/** Answers as the cache's verdict says. */
function decide(exchange: Exchange, found: Found | undefined, isVariant: boolean): Answer | Promise<Answer> {
  const context = { options: exchange.tenant.policy!, nowMs: exchange.services.clock.now() };
  const verdict = evaluate(exchange, found?.response, context);
  if (verdict.kind === "bypass") {
    return passThrough(exchange, { fwd: verdict.fwd ?? "bypass", detail: verdict.detail });
  }
  if (verdict.kind === "validate" && verdict.fwd === "stale" && !verdict.onlyIfCached) {
    const meanwhile = comingBack(exchange, found!.response);
    if (meanwhile !== null) return meanwhile;
  }
  if (verdict.kind !== "hit" && verdict.kind !== "stale_while_revalidate") {
    const { deriver } = exchange.tenant;
    const asked = isVariant && found === undefined ? { ...verdict, fwd: "vary-miss" as const } : verdict;
    if (deriver === null) return fetchMissing(exchange, found, asked);
    return deriveMissing(exchange, deriver, () => fetchMissing(exchange, found, asked));
  }
  const { response } = found!;
  if (
    asksForValidation(exchange, response, context) && exchange.services.validations.take(response.key, context.nowMs)
  ) {
    return fetchMissing(exchange, found, VALIDATION);
  }
  if (needsOrigin(exchange, response)) return passThrough(exchange, { fwd: "request", detail: "precondition" });
  if (verdict.kind === "hit") return hit(exchange, found!);
  revalidateInBackground(exchange, response);
  return { kind: "stored", note: hitNote(exchange, response, "stale"), response };
}

/** The stored response while it is validated in the background, after an outage; `null` where the request has to wait. */
function comingBack(exchange: Exchange, stored: StoredResponse): Answer | null {
  const answer = comingBackAnswer(exchange, stored);
  if (answer === null || needsOrigin(exchange, stored)) return null;
  revalidateInBackground(exchange, stored);
  return answer;
}

function hit(exchange: Exchange, { response, tier }: Found, isPartial = false): Answer {
  const note = hitNote(exchange, response, RESULT_OF_TIER[tier]);
  return { kind: "stored", note, response, isPartial };
}

/** Answers a request that no response stored here can answer. */
function fetchMissing(exchange: Exchange, found: Found | undefined, verdict: Verdict): Answer | Promise<Answer> {
  const sharing = sharingOf(exchange, verdict.fwd ?? "miss");
  if (sharing === null || !verdict.onlyIfCached && isSharedFetch(exchange)) {
    return fetchFromOrigin(exchange, found, verdict);
  }
  return exchange.during("queue", findInGateways(exchange, sharing)).then((response) => {
    if (response === null) return fetchFromOrigin(exchange, found, verdict);
    if (needsOrigin(exchange, response)) return passThrough(exchange, { fwd: "request", detail: "precondition" });
    return hit(exchange, { response, tier: "shared" });
  });
}

/** Whether {@linkcode fetchShared} is to answer; it asks other gateways itself. */
function isSharedFetch(exchange: Exchange): boolean {
  if (exchange.rewrite !== null && (exchange.method === "GET" || exchange.tenant.type.wholeBodies)) return true;
  if (exchange.method === "HEAD") return false;
  if (exchange.header("if-match") !== null || exchange.header("if-unmodified-since") !== null) return false;
  return exchange.header("range") === null || exchange.tenant.storing.range !== "pass";
}

/** Answers by a fetch that others share, or by one for this request alone. */
function fetchFromOrigin(exchange: Exchange, found: Found | undefined, verdict: Verdict): Answer | Promise<Answer> {
  if (verdict.onlyIfCached) {
    throw new GatewayError("only_if_cached", "The request wants a stored response only, and none can be used");
  }
  const { detail, kind } = verdict;
  const fwd = verdict.fwd ?? "miss";
  const stale = kind === "validate" ? found!.response : null;
  // Changes in a document depend on the whole of it. HEAD fetches it only where the type serves documents alone.
  if (isSharedFetch(exchange)) return fetchShared(exchange, { fwd, stale });
  // The answer to HEAD has no content that could be stored.
  if (exchange.method === "HEAD") {
    return passThrough(exchange, { fwd, detail, stored: found?.response, servesStale: stale !== null });
  }
  if (exchange.header("if-match") !== null || exchange.header("if-unmodified-since") !== null) {
    return passThrough(exchange, { fwd, detail });
  }
  return missingRange(exchange, fwd, detail);
}

/** Answers a range request that misses: from a stored partial response, or from an upstream, whose answer is stored as one (RFC 9111 §3.3). */
function missingRange(exchange: Exchange, fwd: ForwardReason, detail: string | null): Answer | Promise<Answer> {
  if (exchange.tenant.policy!.storePartial !== true) return passThrough(exchange, { fwd, detail });
  const answer = (found: Found | undefined): Answer | Promise<Answer> => {
    const part = found === undefined ? null : fromPartial(exchange, found.response);
    if (part === null) return rangeOfOthers(exchange, fwd, detail);
    return hit(exchange, { response: part, tier: found!.tier }, true);
  };
  const found = exchange.services.store.get(partialKey(exchange.key));
  return found instanceof Promise ? found.then(answer) : answer(found);
}

/** Answers a range from the whole or partial response that another worker has just stored and the disk tier has not yet; else from an upstream. */
async function rangeOfOthers(exchange: Exchange, fwd: ForwardReason, detail: string | null): Promise<Answer> {
  const whole = await fromOtherWorker(exchange, exchange.variantKey);
  if (whole !== null && verdictOn(exchange, whole).kind === "hit") {
    return hit(exchange, { response: whole, tier: "memory" });
  }
  const stored = await fromOtherWorker(exchange, partialKey(exchange.key));
  const part = stored === null ? null : fromPartial(exchange, stored);
  if (part !== null) return hit(exchange, { response: part, tier: "memory" }, true);
  return await passThrough(exchange, { fwd, detail, storesPartial: true });
}

/** Answers with a response that is derived from stored ones, as a hit, where there is a fresh one; else by `fetch`. */
export function deriveMissing(
  exchange: Exchange,
  deriver: Deriver,
  fetch: () => Answer | Promise<Answer>,
): Answer | Promise<Answer> {
  // The origin has to judge these (RFC 9111 §4.3.2), by the entity tag of its own response.
  if (exchange.header("if-match") !== null || exchange.header("if-unmodified-since") !== null) return fetch();
  const answer = (derived: Derived | null) =>
    derived !== null && isServable(exchange, derived) ? derivedAnswer(exchange, derived) : fetch();
  try {
    const derived = deriver.derive(exchange);
    if (!(derived instanceof Promise)) return answer(derived);
    const making = exchange.trace?.child("derive from a stored response", "internal");
    return derived.catch((error) => derivingFailed(exchange, error)).then((made) => {
      making?.end();
      return answer(made);
    });
  } catch (error) {
    return answer(derivingFailed(exchange, error));
  }
}

/** Whether a derived response is fresh by its source's times and as the request asks, and its own URL neither purged nor changed since. */
function isServable(exchange: Exchange, { response }: Derived): boolean {
  const { store, clock } = exchange.services;
  return verdictOn(exchange, response).kind === "hit" && ttlMs(response, clock.now()) > 0 &&
    !store.isPurged(response) && !exchange.isChanged(response);
}

function derivedAnswer(exchange: Exchange, { response, tier, detail }: Derived): Answer {
  return { kind: "stored", note: derivedNote(exchange, response, { tier, detail }), response };
}

function derivingFailed({ services, requestId, tenant }: Exchange, error: unknown): null {
  services.repeats.warn("cache", "A response could not be derived from a stored one", tenant.name, {
    id: requestId,
    listener: tenant.name,
    problem: messageOf(error),
  });
  return null;
}
