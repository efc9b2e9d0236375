import { Fill } from "../cache/fill.ts";
import type { Flight } from "../cache/flight.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { fieldsAhead } from "../deliver/choose_coding.ts";
import { awaitsForm } from "../deliver/choose_picture.ts";
import { isDocument } from "../deliver/json_document.ts";
import { discard } from "../forward/attempt.ts";
import type { FwdReason } from "../http/cache_status.ts";
import type { Answer } from "../request/answer.ts";
import { forwardNote } from "../request/cache_note.ts";
import { asFailure } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { BoundedCopy, gather, inTurn, resumed } from "../request/gathered_body.ts";
import type { UpstreamBody, UpstreamFailure } from "../upstream_client/transport.ts";
import { keep, type Keepable, storedHead, withOwnFields } from "./keep_response.ts";
import { isAskedInVain, streamAnswer } from "./stream_answer.ts";
import { wholeDocument } from "./whole_document.ts";

/** Bodies up to this size are read whole before they are sent on: cheaper than a stream, and a broken one can be fetched again. */
const WHOLE_BYTES = 262_144;

/** How long a target is taken for too large to store: its requests need not wait for each other, and ranges are passed on. */
const TOO_LARGE_MS = 30_000;

/** A response that is about to be stored. */
export interface Storing extends Keepable {
  readonly flight: Flight;
  readonly fwd: FwdReason;
}

/**
 * Takes a body in, stores it and answers the request that fetched it: whole, along with its readers, or beside the client's stream.
 * `null` says that it cannot be stored, and that the client wants a part only: the body is given up.
 *
 * @throws {UpstreamFailure} when the body breaks off before any of it was passed on
 */
export async function takeIn(exchange: Exchange, storing: Storing): Promise<Answer | null> {
  const { settings, budget } = exchange.services;
  const { lengthBytes } = storing.answer.response.body;
  const isWhole = lengthBytes === null ? exchange.tenant.type.wholeBodies : lengthBytes <= WHOLE_BYTES;
  const { response } = storing.answer;
  if (
    isWhole || awaitsForm(exchange, response.fields) || (exchange.rewrite !== null && isDocument(response, lengthBytes))
  ) {
    return await storeWhole(exchange, storing);
  }
  const reservedBytes = lengthBytes ?? settings.maxEntryBytes;
  if (reservedBytes > settings.maxEntryBytes) return unstored(exchange, storing, "too-large");
  if (!budget.reserve(reservedBytes)) return unstored(exchange, storing, "fill-memory-full");
  return lengthBytes === null ? storeBeside(exchange, storing) : storeAlong(exchange, storing, lengthBytes);
}

/** Tells everyone who waits of a complete response. */
export function landWhole(flight: Flight, stored: StoredResponse): void {
  flight.land({ kind: "shared", head: stored, fill: Fill.ofBody(stored.body) });
}

function unstored(
  exchange: Exchange,
  storing: Storing,
  detail: string,
): Answer | null | Promise<Answer> {
  const { collapse } = exchange.services;
  if (detail === "too-large") collapse.rememberSolo(storing.flight.key, TOO_LARGE_MS);
  collapse.finish(storing.flight, null);
  if (isAskedInVain(exchange, storing.answer)) exchange.leaveAsItIs();
  if (exchange.wantsPart && exchange.rewrite === null) {
    discard(storing.answer);
    return null;
  }
  const note = forwardNote(exchange, { fwd: storing.fwd, detail });
  return wholeDocument(exchange, streamAnswer(exchange, storing.answer, { note, askedMethod: "GET" }));
}

/** Reads the body whole before it answers. */
async function storeWhole(exchange: Exchange, storing: Storing): Promise<Answer | null> {
  const { flight, answer, fwd, decision } = storing;
  const { settings, collapse, budget } = exchange.services;
  let reservedBytes = 0;
  const admit = (bytes: number) => {
    if (!budget.reserve(bytes)) return false;
    reservedBytes += bytes;
    return true;
  };
  const { lengthBytes } = answer.response.body;
  // Of what is larger, or of a length that is not stated, each chunk asks for its room.
  const isReserved = lengthBytes !== null && lengthBytes > WHOLE_BYTES && lengthBytes <= settings.maxEntryBytes;
  if (isReserved && !admit(lengthBytes)) return unstored(exchange, storing, "fill-memory-full");
  const gathered = await gather(answer.response.body, { limitBytes: settings.maxEntryBytes, admit }).catch((error) => {
    answer.release(asFailure(error));
    throw error;
  }).finally(() => budget.release(reservedBytes));
  if (gathered.whole === null) {
    const response = { ...answer.response, body: resumed(gathered.chunks, answer.response.body) };
    return unstored(exchange, { ...storing, answer: answer.with(response) }, gathered.reason);
  }
  answer.release();
  const stored = keep(exchange, storedHead(exchange, storing, gathered.whole.byteLength), gathered.whole);
  landWhole(flight, stored);
  collapse.finish(flight, stored);
  const own = withOwnFields(exchange, stored, decision);
  return { kind: "stored", note: forwardNote(exchange, { fwd, stored }), response: own };
}

/** A large body of known length: stored as it comes in, while this client and all who join read along. */
function storeAlong(
  exchange: Exchange,
  storing: Storing,
  lengthBytes: number,
): Answer {
  const { flight, answer, fwd, decision } = storing;
  const { collapse, budget, background } = exchange.services;
  const head = storedHead(exchange, storing, lengthBytes);
  const fill = Fill.ofLength(lengthBytes);
  flight.land({ kind: "shared", head, fill });
  const finish = (failure: UpstreamFailure | null) => {
    if (failure !== null) fill.fail(failure);
    answer.release(failure ?? undefined);
    budget.release(lengthBytes);
    let stored: StoredResponse | null = null;
    try {
      if (failure === null) stored = keep(exchange, head, fill.body!);
    } finally {
      collapse.finish(flight, stored);
    }
  };
  if (!exchange.fillsToTheEnd) {
    fill.onAbandoned = () => {
      // Before the body breaks off, so that nobody joins what will fail.
      collapse.finish(flight, null);
      answer.response.body.cancel();
    };
  }
  background.add(pump(answer.response.body, fill).then(() => finish(null), (error) => finish(asFailure(error))));
  const own = withOwnFields(exchange, head, decision);
  return { kind: "filling", note: forwardNote(exchange, { fwd, stored: head }), head: own, fill };
}

async function pump(body: UpstreamBody, fill: Fill): Promise<void> {
  for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) fill.push(chunk);
}

/** A body of unknown length: what the client is sent is copied aside, and stored if it ends within the limit. */
function storeBeside(exchange: Exchange, storing: Storing): Answer {
  const { flight, answer, fwd, decision } = storing;
  const { settings, collapse, budget, background } = exchange.services;
  let reservedBytes = settings.maxEntryBytes;
  const copy = new BoundedCopy(reservedBytes);
  const giveBack = () => {
    budget.release(reservedBytes);
    reservedBytes = 0;
  };
  // The client may leave while a read of its stream is under way: the next one, in the background, has to wait for that.
  const read = inTurn(async () => {
    const chunk = await answer.response.body.read();
    if (!copy.add(chunk)) {
      // Others cannot follow a body that will not be stored, and nothing of it is held any more.
      flight.land({ kind: "solo" });
      giveBack();
    }
    return chunk;
  });
  const onEnd = (failure?: UpstreamFailure) => {
    giveBack();
    let stored: StoredResponse | null = null;
    try {
      const whole = failure === undefined ? copy.whole() : null;
      if (whole !== null) stored = keep(exchange, storedHead(exchange, storing, whole.byteLength), whole);
      if (stored !== null) landWhole(flight, stored);
    } finally {
      collapse.finish(flight, stored);
    }
  };
  const goOn = () => {
    const ended = (failure?: UpstreamFailure) => {
      answer.release(failure);
      onEnd(failure);
    };
    background.add(drain(read).then(() => ended(), (error) => ended(asFailure(error))));
  };
  const head = storedHead(exchange, storing, null);
  const { fields } = withOwnFields(exchange, head.with({ fields: fieldsAhead(exchange, head, null) }), decision);
  return streamAnswer(exchange, answer, {
    note: forwardNote(exchange, { fwd, stored: head }),
    askedMethod: "GET",
    fields,
    read,
    onEnd,
    onLeave: exchange.fillsToTheEnd ? goOn : undefined,
  });
}

async function drain(read: () => Promise<Uint8Array | null>): Promise<void> {
  while (await read() !== null);
}
