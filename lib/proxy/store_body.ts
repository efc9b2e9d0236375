import { Fill } from "../cache/fill.ts";
import type { Flight, StoredHead } from "../cache/flight.ts";
import { variantKey } from "../cache/key.ts";
import type { Storable } from "../cache/storable.ts";
import { type StoredResponse, storedResponse } from "../cache/stored_response.ts";
import { varyMarker } from "../cache/variants.ts";
import type { FwdReason } from "../http/cache_status.ts";
import type { UpstreamBody, UpstreamFailure } from "../upstream_client/transport.ts";
import { bodyStream, BoundedCopy, gather, resumed } from "./body_stream.ts";
import { type CacheNote, forwardNote } from "./cache_note.ts";
import type { Exchange } from "./exchange.ts";
import { type Answer, asFailure } from "./forward.ts";
import { clientFields, respondStored, respondStreaming } from "./respond.ts";
import { respondDirect } from "./respond_direct.ts";

/** Bodies up to this size are read whole before they are sent on: cheaper than a stream, and a broken one can be fetched again. */
const WHOLE_BYTES = 262_144;

/** A response that is about to be stored. */
export interface Storing {
  readonly flight: Flight;
  readonly fwd: FwdReason;
  readonly answer: Answer;
  readonly decision: Storable;
}

/**
 * Takes a body in, stores it and answers the request that fetched it: whole, along with its readers, or beside the client's stream.
 *
 * @throws {UpstreamFailure} when the body breaks off before any of it was passed on
 */
export async function storeBody(exchange: Exchange, storing: Storing): Promise<Response> {
  const { settings, budget } = exchange.services;
  const { lengthBytes } = storing.answer.response.body;
  if (lengthBytes === null ? exchange.tenant.type.wholeBodies : lengthBytes <= WHOLE_BYTES) {
    return await storeWhole(exchange, storing);
  }
  const reservedBytes = lengthBytes ?? settings.maxEntryBytes;
  if (reservedBytes > settings.maxEntryBytes) return unstored(exchange, storing, "too-large");
  if (!budget.reserve(reservedBytes)) return unstored(exchange, storing, "fill-memory-full");
  return lengthBytes === null ? storeBeside(exchange, storing) : storeAlong(exchange, storing, lengthBytes);
}

/** Tells everyone who waits of a complete response. */
export function landWhole(flight: Flight, stored: StoredResponse): void {
  const { body, ...head } = stored;
  flight.land({ kind: "shared", head, fill: Fill.ofBody(body) });
}

/** Answers from a fill, as far as it has come and on. */
export function respondFill(exchange: Exchange, filled: { head: StoredHead; fill: Fill }, note: CacheNote): Response {
  const { head, fill } = filled;
  if (fill.body !== null) return respondStored(exchange, { ...head, body: fill.body }, note);
  const body = { stream: bodyStream.bind(null, fill.reader()), cancel: () => {} };
  return respondStreaming(exchange, { status: head.status, fields: head.fields.slice() }, { body, note });
}

function unstored(exchange: Exchange, storing: Storing, detail: string): Response {
  exchange.services.collapse.finish(storing.flight, null);
  return respondDirect(exchange, storing.answer, { note: forwardNote(exchange, { fwd: storing.fwd, detail }) });
}

/** Reads the body whole before it answers. */
async function storeWhole(exchange: Exchange, storing: Storing): Promise<Response> {
  const { flight, answer, fwd } = storing;
  const { settings, collapse } = exchange.services;
  const gathered = await gather(answer.response.body, settings.maxEntryBytes).catch((error) => {
    answer.release(asFailure(error));
    throw error;
  });
  if (gathered.whole === null) {
    const response = { ...answer.response, body: resumed(gathered.chunks, answer.response.body) };
    return unstored(exchange, { ...storing, answer: { ...answer, response } }, "too-large");
  }
  answer.release();
  const stored = keep(exchange, storedHead(exchange, storing, gathered.whole.byteLength), gathered.whole);
  landWhole(flight, stored);
  collapse.finish(flight, stored);
  return respondStored(exchange, stored, forwardNote(exchange, { fwd, stored }));
}

/** A large body of known length: stored as it comes in, while this client and all who join read along. */
function storeAlong(exchange: Exchange, storing: Storing, lengthBytes: number): Response {
  const { flight, answer, fwd } = storing;
  const { collapse, budget, background } = exchange.services;
  const head = storedHead(exchange, storing, lengthBytes);
  const fill = Fill.ofLength(lengthBytes);
  flight.land({ kind: "shared", head, fill });
  const finish = (failure: UpstreamFailure | null) => {
    if (failure !== null) fill.fail(failure);
    answer.release(failure ?? undefined);
    collapse.finish(flight, failure === null ? keep(exchange, head, fill.body!) : null);
    budget.release(lengthBytes);
  };
  background.add(pump(answer.response.body, fill).then(() => finish(null), (error) => finish(asFailure(error))));
  return respondFill(exchange, { head, fill }, forwardNote(exchange, { fwd, stored: head }));
}

async function pump(body: UpstreamBody, fill: Fill): Promise<void> {
  for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) fill.push(chunk);
}

/** A body of unknown length: what the client is sent is copied aside, and stored if it ends within the limit. */
function storeBeside(exchange: Exchange, storing: Storing): Response {
  const { flight, answer, fwd } = storing;
  const { settings, collapse, budget, background } = exchange.services;
  const copy = new BoundedCopy(settings.maxEntryBytes);
  const read = async () => {
    const chunk = await answer.response.body.read();
    // Others cannot follow a body that will not be stored.
    if (!copy.add(chunk)) flight.land({ kind: "solo" });
    return chunk;
  };
  const onEnd = (failure?: UpstreamFailure) => {
    answer.release(failure);
    budget.release(settings.maxEntryBytes);
    const whole = failure === undefined ? copy.whole() : null;
    const stored = whole === null ? null : keep(exchange, storedHead(exchange, storing, whole.byteLength), whole);
    if (stored !== null) landWhole(flight, stored);
    collapse.finish(flight, stored);
  };
  const goOn = () => background.add(drain(read).then(() => onEnd(), (error) => onEnd(asFailure(error))));
  const note = forwardNote(exchange, { fwd, stored: storedHead(exchange, storing, null) });
  return respondDirect(exchange, answer, { note, read, onEnd, onLeave: settings.backgroundFill ? goOn : undefined });
}

async function drain(read: () => Promise<Uint8Array | null>): Promise<void> {
  while (await read() !== null);
}

/** Everything of the response that is to be stored but its body. */
function storedHead(exchange: Exchange, { answer, decision }: Storing, lengthBytes: number | null): StoredHead {
  const fields = clientFields(exchange, decision.fields);
  if (lengthBytes !== null) fields.push(["content-length", String(lengthBytes)]);
  const { freshness, selectedBy, tiers, tags } = decision;
  return {
    key: selectedBy.length === 0 ? exchange.key : variantKey(exchange.key, selectedBy),
    status: answer.response.status,
    fields,
    requestTimeMs: answer.requestTimeMs,
    responseTimeMs: answer.response.receivedAtMs,
    freshness,
    selectedBy,
    tags,
    tiers,
  };
}

/** Puts a complete response into the store, with the marker that leads to it where it is one of several variants. */
function keep(exchange: Exchange, head: StoredHead, body: Uint8Array<ArrayBuffer>): StoredResponse {
  const { store } = exchange.services;
  const stored = storedResponse({ ...head, body });
  if (stored.selectedBy.length > 0) store.put(varyMarker(exchange.key, stored));
  store.put(stored);
  return stored;
}
