import { type StoredResponse, storedResponse } from "../cache/stored_response.ts";
import { isDocument, MAX_DOCUMENT_BYTES } from "../deliver/document.ts";
import { clientFields, plainCacheControl, withSimpleTag } from "../deliver/client_fields.ts";
import { pictureFields } from "../deliver/image_form.ts";
import type { UpstreamAnswer } from "../forward/attempt.ts";
import { deltaSeconds } from "../http/cache_control.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { withVary } from "../http/vary.ts";
import type { Answer, StreamingAnswer } from "../request/answer.ts";
import type { CacheNote } from "../request/cache_note.ts";
import { asFailure } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { gather, ResumedBody } from "../request/gathered_body.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";

/** Changes to an upstream's answer that is passed on. */
export interface StreamOptions {
  readonly note: CacheNote;
  /** Method of the request to the upstream. */
  readonly askedMethod: string;
  /** In place of the answer's own fields. */
  readonly fields?: Fields;
  /** Reads the body in place of the answer's own `read`. */
  readonly read?: () => Promise<Uint8Array | null>;
  /** The body has ended or, with a failure, broken off. */
  readonly onEnd?: (failure?: UpstreamFailure) => void;
  /** The client has left; without this the body is given up. */
  readonly onLeave?: () => void;
}

/** An upstream's answer that is passed on as it comes in, with back-pressure. */
export function streamAnswer(exchange: Exchange, answer: UpstreamAnswer, options: StreamOptions): StreamingAnswer {
  const { response, requestTimeMs } = answer;
  const { note, askedMethod, read } = options;
  let isOver = false;
  const onEnd = (failure?: UpstreamFailure) => {
    if (isOver) return;
    isOver = true;
    answer.release(failure);
    options.onEnd?.(failure);
  };
  const giveUp = () => {
    response.body.cancel();
    onEnd(new UpstreamFailure("aborted", "The client has left", true));
  };
  return {
    kind: "streaming",
    note,
    askedMethod,
    status: response.status,
    fields: options.fields === undefined
      ? passedFields(exchange, answer, note)
      : privateFields(exchange, options.fields),
    body: response.body,
    read,
    onEnd,
    onLeave: options.onLeave ?? giveUp,
    requestTimeMs,
    receivedAtMs: response.receivedAtMs,
    tunnel: response.tunnel,
  };
}

/**
 * Whether upstreams must be asked again with the client's own conditions and range: they were left out in order to change a document,
 * but the answer is none.
 */
export function mustAskAgain(exchange: Exchange, { response }: UpstreamAnswer): boolean {
  if (exchange.rewrite === null || exchange.isPlain || response.status !== 200) return false;
  // A private request may change something each time it is sent.
  return exchange.private === null && !isDocument(response, response.body.lengthBytes);
}

/** Fields of an answer that is passed on. */
function passedFields(exchange: Exchange, { response }: UpstreamAnswer, note: CacheNote): Fields {
  const cleaned = clientFields(exchange, response.fields);
  // `Vary` was removed where it selects nothing here, but caches behind must know that the coding was chosen for one client.
  const isOneForm = exchange.tenant.type.acceptEncoding !== null && fieldValue(cleaned, "content-encoding") !== null;
  const given = isOneForm ? withVary(cleaned, "Accept-Encoding") : cleaned;
  const fields = exchange.tenant.type.simpleTags
    ? plainCacheControl(withSimpleTag(given, response.fields).fields)
    : given;
  return privateFields(exchange, note.ageSeconds === null ? withSaneAge(fields) : withoutAge(fields));
}

/** One `Age` of at most 2^31 seconds; one that is no number of seconds is left out (RFC 9111 §1.2.2, §5.1). */
function withSaneAge(fields: Fields): Fields {
  const age = fieldValue(fields, "age");
  if (age === null) return fields;
  const seconds = deltaSeconds(age.split(",", 1)[0]!.trim());
  return seconds === null ? withoutAge(fields) : [...withoutAge(fields), ["age", String(seconds)]];
}

function withoutAge(fields: Fields): Fields {
  return fields.filter(([name]) => name !== "age");
}

/**
 * Fields of an answer to a private request: where the gateway decides what is cached, it also forbids caches behind it to store the
 * answer (TMDB marks even a user's own data `public`).
 */
function privateFields(exchange: Exchange, fields: Fields): Fields {
  const { type, images } = exchange.tenant;
  if (exchange.private === null || type.cacheMode !== "ttl") return pictureFields(fields, images);
  const kept = fields.filter(([name]) => name !== "cache-control" && name !== "expires");
  return [...kept, ["cache-control", "private, no-store"]];
}

/**
 * Gathers the body of a document that is not stored and that its listener changes, since changes depend on all of it. Other answers,
 * and a document that is too large or for which there is no room, stay as they are.
 *
 * @throws {UpstreamFailure} when the document breaks off
 */
export function wholeDocument(exchange: Exchange, answer: StreamingAnswer): Answer | Promise<Answer> {
  if (exchange.rewrite === null || answer.askedMethod === "HEAD") return answer;
  return isDocument(answer, answer.body.lengthBytes) ? gatherDocument(exchange, answer) : answer;
}

async function gatherDocument(exchange: Exchange, answer: StreamingAnswer): Promise<Answer> {
  const { body, note } = answer;
  const { budget, clock, settings } = exchange.services;
  let reservedBytes = 0;
  const admit = (bytes: number) => {
    if (!budget.reserve(bytes, exchange.tenant.name)) return false;
    reservedBytes += bytes;
    return true;
  };
  if (!admit(body.lengthBytes ?? 0)) return answer;
  const untilMs = clock.now() + settings.fillTimeoutMs;
  const stops = () => exchange.hasLeft ? "client-left" : clock.now() > untilMs ? "too-slow" : null;
  try {
    const gathered = await gather(body, { limitBytes: MAX_DOCUMENT_BYTES, admit, stops });
    if (gathered.whole === null) return { ...answer, body: new ResumedBody(gathered.chunks, body) };
    answer.onEnd();
    return { kind: "stored", note, response: unkept(exchange.key, answer, gathered.whole) };
  } catch (error) {
    answer.onEnd(asFailure(error));
    throw error;
  } finally {
    budget.release(reservedBytes, exchange.tenant.name);
  }
}

/** A whole answer in the form of a stored response, for those alone who wait for it. */
export function unkept(key: string, answer: StreamingAnswer, body: Uint8Array<ArrayBuffer>): StoredResponse {
  return storedResponse({
    key,
    status: answer.status,
    fields: answer.fields,
    body,
    requestTimeMs: answer.requestTimeMs,
    responseTimeMs: answer.receivedAtMs,
    freshness: USED_ONCE,
    selectedBy: [],
    tags: [],
    tiers: { memory: false, disk: false },
  });
}

const USED_ONCE = {
  initialAgeMs: 0,
  lifetimeMs: 0,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  mustRevalidate: true,
  alwaysValidate: true,
};
