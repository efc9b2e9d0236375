import { Fill } from "../cache/flights/fill.ts";
import type { Flight } from "../cache/flights/flight.ts";
import { variantKey } from "../cache/key.ts";
import { isEndless, type Storable } from "../cache/policy/storable.ts";
import { StoredHead, type StoredResponse } from "../cache/stored_response.ts";
import { varyMarker } from "../cache/variants.ts";
import { isDocument } from "../deliver/document.ts";
import { fillingFields, storeGzip } from "../deliver/choose_coding.ts";
import { waitsForPicture } from "../deliver/choose_picture.ts";
import { clientFields, sentCacheControl, withBodyTag, withSimpleTag } from "../deliver/client_fields.ts";
import { discard, type UpstreamAnswer } from "../forward/attempt.ts";
import { contentFailure } from "../forward/verify_content.ts";
import type { ForwardReason } from "../forward_reason.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import { asFailure } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { gather, type Gathered, gzipOf, inTurn, ReservedCopy, ResumedBody } from "../request/gathered_body.ts";
import { UnreadPace } from "../request/unread_pace.ts";
import { lendChunk, type UpstreamBody, UpstreamFailure, type UpstreamResponse } from "../upstream_client/transport.ts";
import { mustAskAgain, streamAnswer, unkept, wholeDocument } from "./stream_answer.ts";

/** Bodies up to this size are read whole before they are sent on: cheaper than a stream, and a broken one can be fetched again. */
export const WHOLE_BYTES = 262_144;

/** How long a target counts as one that is not stored: its requests do not wait for each other, and ranges are passed on. */
const UNSTORED_MS = 30_000;

/** A response that is about to be stored, and the fetch that it belongs to. */
export interface Storing extends StorableAnswer {
  readonly flight: Flight;
  readonly fwd: ForwardReason;
}

/**
 * Stores a response and answers the request that fetched it: after its whole body, while others read it along, or beside the client's
 * stream. `null` where it cannot be stored and the client wants a range only: the body is given up.
 *
 * @throws {UpstreamFailure} when the body breaks off, or is not of its type, before any of it was passed on
 */
export async function storeResponse(exchange: Exchange, storing: Storing): Promise<Answer | null> {
  const { settings, budget } = exchange.services;
  const { response } = storing.answer;
  const { lengthBytes } = response.body;
  const mediaType = mediaTypeOf(fieldValue(response.fields, "content-type"));
  saySolo(exchange, storing, lengthBytes);
  // A rule may name such a type, but a body without end cannot be stored.
  if (lengthBytes === null && isEndless(response.fields)) return passUnstored(exchange, storing, "endless");
  if (isReadWhole(exchange, response, mediaType)) return await storeWhole(exchange, storing);
  if (lengthBytes === null) return storeCopy(exchange, storing);
  if (lengthBytes > settings.maxEntryBytes) return passUnstored(exchange, storing, "too-large");
  if (!budget.reserve(lengthBytes, exchange.tenant.name)) return passUnstored(exchange, storing, "fill-memory-full");
  return storeFilling(exchange, storing, lengthBytes);
}

function isReadWhole(exchange: Exchange, response: UpstreamResponse, mediaType: string): boolean {
  const { body: { lengthBytes, whole }, fields } = response;
  // It has come already, or is small, or is a document that may turn out to be wrong content.
  if (whole != null) return true;
  const { wholeBodies } = exchange.tenant.type;
  const isWhole = lengthBytes === null
    ? wholeBodies || exchange.tenant.type.verifies(mediaType)
    : lengthBytes <= WHOLE_BYTES;
  return isWhole || waitsForPicture(exchange, fields) ||
    (exchange.rewrite !== null && isDocument(response, lengthBytes));
}

/** Gives a complete response to all requests that wait. */
export function landWhole(flight: Flight, stored: StoredResponse): void {
  flight.land({ kind: "shared", head: stored, fill: Fill.ofBody(stored.body) });
}

/** Reasons that hold for the next responses of the target, too. */
const LASTING: ReadonlySet<string> = new Set(["too-large", "too-slow", "endless"]);

function passUnstored(
  exchange: Exchange,
  storing: Storing,
  detail: string,
): Answer | null | Promise<Answer> {
  const { collapse } = exchange.services;
  if (LASTING.has(detail)) collapse.rememberSolo(storing.flight, UNSTORED_MS);
  collapse.finish(storing.flight, null);
  if (mustAskAgain(exchange, storing.answer)) exchange.leaveUnchanged();
  if (exchange.wantsPart && exchange.rewrite === null) {
    discard(storing.answer);
    return null;
  }
  const note = forwardNote(exchange, { fwd: storing.fwd, detail });
  return wholeDocument(exchange, streamAnswer(exchange, storing.answer, { note, askedMethod: "GET" }));
}

/** Reads the whole body before it answers. */
async function storeWhole(exchange: Exchange, storing: Storing): Promise<Answer | null> {
  const { flight, answer, fwd, decision } = storing;
  const { collapse } = exchange.services;
  const gathered = await gatherWhole(exchange, storing);
  if (gathered.whole === null) {
    const response = { ...answer.response, body: new ResumedBody(gathered.chunks, answer.response.body) };
    return passUnstored(exchange, { ...storing, answer: answer.with(response) }, gathered.reason);
  }
  const { whole } = gathered;
  const failure = contentFailure(exchange, answer.response, whole);
  if (failure !== null) {
    answer.release(failure);
    throw failure;
  }
  const { status } = answer.response;
  if (status >= 200 && status < 300 && exchange.tenant.type.saysFailure(whole)) {
    return passFailure(exchange, storing, whole);
  }
  answer.release();
  const stored = putResponse(exchange, storedHead(exchange, storing, whole.byteLength), whole);
  const coded = gzipOf(answer.response.body);
  if (coded !== null) storeGzip(exchange, stored, coded);
  landWhole(flight, stored);
  collapse.finish(flight, stored);
  const own = withOwnFields(exchange, stored, decision);
  const gzip = coded === null ? undefined : { of: own, coded };
  return { kind: "stored", note: forwardNote(exchange, { fwd, stored }), response: own, isNew: true, gzip };
}

async function gatherWhole(exchange: Exchange, { flight, answer }: Storing): Promise<Gathered> {
  const { settings, budget, clock } = exchange.services;
  const { body } = answer.response;
  let reservedBytes = 0;
  const admit = (bytes: number) => {
    if (!budget.reserve(bytes, exchange.tenant.name)) return false;
    reservedBytes += bytes;
    return true;
  };
  // A body that is larger, or of a length that is not stated, reserves room with each chunk.
  const { lengthBytes } = body;
  const isReserved = lengthBytes !== null && lengthBytes > WHOLE_BYTES && lengthBytes <= settings.maxEntryBytes;
  if (isReserved && !admit(lengthBytes)) return { whole: null, chunks: [], reason: "fill-memory-full" };
  const untilMs = clock.now() + settings.fillTimeoutMs;
  const isWanted = () => exchange.fillsToTheEnd || flight.isFollowed || !exchange.hasLeft;
  const pace = new UnreadPace(clock);
  const stops = (bytes: number) => {
    const isInTime = pace.take(bytes, !exchange.isBackground && !exchange.hasLeft) && clock.now() <= untilMs;
    return !isInTime ? "too-slow" : isWanted() ? null : "client-left";
  };
  try {
    return await gather(body, { limitBytes: settings.maxEntryBytes, admit, stops });
  } catch (error) {
    answer.release(asFailure(error));
    throw error;
  } finally {
    budget.release(reservedBytes, exchange.tenant.name);
  }
}

/** Passes a response with status 200 whose content is an error to all requests that wait, unstored, and with `no-store` for other caches. */
function passFailure(exchange: Exchange, { flight, answer, fwd }: Storing, whole: Uint8Array<ArrayBuffer>): Answer {
  const note = forwardNote(exchange, { fwd, detail: "says-failure" });
  const fields: Fields = answer.response.fields.filter(([name]) => name !== "cache-control" && name !== "expires");
  fields.push(["cache-control", "no-store"]);
  const sent = streamAnswer(exchange, answer.with({ ...answer.response, fields }), { note, askedMethod: "GET" });
  sent.onEnd();
  const response = unkept(flight.key, sent, whole);
  landWhole(flight, response);
  exchange.services.collapse.finish(flight, null);
  return { kind: "stored", note, response, isNew: true };
}

/** A large body of known length: stored as it comes in, while this client and others that join read it. */
function storeFilling(
  exchange: Exchange,
  storing: Storing,
  lengthBytes: number,
): Answer {
  const { flight, answer, fwd, decision } = storing;
  const { collapse, budget, background, clock, settings } = exchange.services;
  const { body } = answer.response;
  const head = storedHead(exchange, storing, lengthBytes);
  const fill = Fill.ofLength(lengthBytes);
  fill.verify = (whole) => contentFailure(exchange, answer.response, whole);
  flight.land({ kind: "shared", head, fill });
  const finish = (failure: UpstreamFailure | null) => {
    if (failure !== null) fill.fail(failure);
    answer.release(failure ?? undefined);
    budget.release(lengthBytes, exchange.tenant.name);
    let stored: StoredResponse | null = null;
    try {
      if (failure === null) stored = putResponse(exchange, head, fill.body!);
    } finally {
      collapse.finish(flight, stored);
    }
  };
  const giveUp = () => {
    // Before the body breaks off, so that no request joins one that will fail.
    collapse.finish(flight, null);
    body.cancel();
  };
  if (!exchange.fillsToTheEnd) fill.onAbandoned = giveUp;
  const untilMs = clock.now() + settings.fillTimeoutMs;
  const pace = new UnreadPace(clock);
  const isWanted = (bytes: number) => pace.take(bytes, fill.isRead) && (fill.isRead || clock.now() <= untilMs);
  const failed = (error: unknown) => {
    giveUp();
    finish(asFailure(error));
  };
  background.add(pump(body, fill, isWanted).then(() => finish(null), failed));
  const own = withOwnFields(exchange, head, decision);
  return { kind: "filling", note: forwardNote(exchange, { fwd, stored: head }), head: own, fill };
}

async function pump(body: UpstreamBody, fill: Fill, isWanted: (bytes: number) => boolean): Promise<void> {
  for (let chunk = await lendChunk(body); chunk !== null; chunk = await lendChunk(body)) {
    fill.push(chunk);
    if (fill.body === null && !isWanted(chunk.byteLength)) throw notWanted();
  }
}

function notWanted(): UpstreamFailure {
  return new UpstreamFailure("aborted", "The clients have left, and the body does not end or comes too slowly", true);
}

/** A body of unknown length: copied as it is sent to the client, and stored if it ends within the limits. */
function storeCopy(exchange: Exchange, storing: Storing): Answer {
  const { flight, answer, fwd, decision } = storing;
  const { collapse, background, clock } = exchange.services;
  const followedUntilMs = clock.now() + collapse.timeoutMs;
  const copy = new ReservedCopy(exchange, (isLasting) => {
    // Others cannot follow a body that will not be stored.
    if (isLasting) collapse.rememberSolo(flight, UNSTORED_MS);
    collapse.finish(flight, null);
  });
  let readBytes = 0;
  // The client may leave while a read of its stream is under way: the next one, in the background, has to wait for that.
  const read = inTurn(async () => {
    const chunk = await answer.response.body.read();
    copy.add(chunk);
    readBytes += chunk?.byteLength ?? 0;
    saySolo(exchange, storing, readBytes);
    // After that time no request waits for its end any more.
    if (clock.now() > followedUntilMs) flight.land({ kind: "solo" });
    return chunk;
  });
  const onEnd = (failure?: UpstreamFailure) => {
    let stored: StoredResponse | null = null;
    try {
      const whole = failure === undefined ? copy.whole() : null;
      if (whole !== null && contentFailure(exchange, answer.response, whole) === null) {
        stored = putResponse(exchange, storedHead(exchange, storing, whole.byteLength), whole);
        landWhole(flight, stored);
      }
    } finally {
      copy.drop();
      collapse.finish(flight, stored);
    }
  };
  const ended = (failure?: UpstreamFailure) => {
    if (failure !== undefined) answer.response.body.cancel();
    answer.release(failure);
    onEnd(failure);
  };
  const goOn = () =>
    background.add(drain(read, copy, new UnreadPace(clock)).then(() => ended(), (error) => ended(asFailure(error))));
  const head = storedHead(exchange, storing, null);
  const { fields } = withOwnFields(exchange, head.with({ fields: fillingFields(exchange, head, null) }), decision);
  return streamAnswer(exchange, answer, {
    note: forwardNote(exchange, { fwd, stored: head }),
    askedMethod: "GET",
    fields,
    read,
    onEnd,
    onLeave: exchange.fillsToTheEnd ? goOn : undefined,
  });
}

/** Reads the rest for the copy alone. */
async function drain(read: () => Promise<Uint8Array | null>, copy: ReservedCopy, pace: UnreadPace): Promise<void> {
  pace.take(0, false);
  do {
    if (!copy.isHeld) throw notWanted();
    const chunk = await read();
    if (chunk === null) return;
    if (!pace.take(chunk.byteLength, false)) throw notWanted();
  } while (true);
}

/** An answer, and the policy's decision to store it. */
export interface StorableAnswer {
  readonly answer: UpstreamAnswer;
  readonly decision: Storable;
}

/** The head of a response that is to be stored; `null` is a length that is not known yet. */
export function storedHead(
  exchange: Exchange,
  { answer, decision }: StorableAnswer,
  lengthBytes: number | null,
): StoredHead {
  const given = clientFields(exchange, decision.fields);
  const { fields: own, originTag } = exchange.tenant.type.simpleTags
    ? withSimpleTag(given, answer.response.fields)
    : { fields: given, originTag: null };
  const { freshness, selectedBy, tiers } = decision;
  return StoredHead.of({
    key: selectedBy.length === 0 ? exchange.key : variantKey(exchange.key, selectedBy),
    status: answer.response.status,
    fields: sentCacheControl(exchange.tenant, own, freshness),
    lengthBytes,
    ...answer.times,
    freshness,
    selectedBy,
    tags: allTags(decision.tags, typeTags(exchange)),
    tiers,
    originTag,
  });
}

/**
 * Puts a complete response into the store, with the marker of its primary key where it is one of several variants. A response that was
 * asked for before an unsafe request changed it is not stored (RFC 9111 §4.4).
 */
export function putResponse(exchange: Exchange, head: StoredHead, body: Uint8Array<ArrayBuffer>): StoredResponse {
  const { store } = exchange.services;
  const isToTag = exchange.tenant.type.simpleTags && head.status === 200;
  const tagged = isToTag ? withBodyTag(head.fields, body) : null;
  const stored = (tagged === null ? head : head.with(tagged)).withBody(body);
  if (exchange.isChanged(stored)) return stored;
  const marker = stored.selectedBy.length === 0 ? null : varyMarker(exchange.key, stored, exchange.variants?.sinceMs);
  if (marker !== null) store.put(marker);
  store.put(stored);
  shareStored(exchange, stored, marker);
  exchange.tenant.deriver?.onStored?.(exchange, stored);
  return stored;
}

/** Gives other gateways what was stored here, with the marker that leads to it, if it is one of several variants. */
export function shareStored(exchange: Exchange, stored: StoredResponse, marker: StoredResponse | null): void {
  const { services: { shared }, tenant: { sharing } } = exchange;
  if (shared !== null && sharing !== null) shared.put(sharing, stored, marker);
}

/** Says to other gateways, as soon as it is known, that they wait in vain: what comes is not for them. */
function saySolo({ services: { shared } }: Exchange, { flight, decision }: Storing, lengthBytes: number | null): void {
  if (flight.claim === null || shared === null) return;
  if (!decision.tiers.shared || lengthBytes !== null && !shared.takes(lengthBytes)) flight.claim.solo(UNSTORED_MS);
}

/** The response as the client gets it that fetched it: with the fields that are for that client alone. */
function withOwnFields<T extends StoredHead>(
  exchange: Exchange,
  response: T,
  { ownFields }: Storable,
): T {
  const own = ownFields.filter(([name]) => !exchange.tenant.type.dropFields.has(name));
  return own.length === 0 ? response : response.with({ fields: [...response.fields, ...own] }) as T;
}

/** The type's tags of a request, and of the larger picture that came for it. */
function typeTags(exchange: Exchange): readonly string[] {
  const { largerPath, tenant: { type }, method, query } = exchange;
  const tags = type.tags(exchange);
  if (largerPath === null) return tags;
  return [...tags, ...type.tags({ method, path: largerPath, query, header: (name) => exchange.header(name) })];
}

/** The origin's tags and the type's, sorted, each once. */
function allTags(given: readonly string[], derived: readonly string[]): readonly string[] {
  return derived.length === 0 ? given : [...new Set([...given, ...derived])].sort();
}
