import { type StoredResponse, storedResponse } from "../cache/stored_response.ts";
import { isDocument, MAX_DOCUMENT_BYTES } from "../deliver/json_document.ts";
import type { Answer, StreamingAnswer } from "../request/answer.ts";
import { asFailure } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { gather, resumed } from "../request/gathered_body.ts";

/**
 * The whole of a document that is not stored and that its listener changes: what is changed depends on all of it. Other answers, and a
 * document that is too large or for which there is no room, stay as they are.
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
    if (!budget.reserve(bytes)) return false;
    reservedBytes += bytes;
    return true;
  };
  if (!admit(body.lengthBytes ?? 0)) return answer;
  const untilMs = clock.now() + settings.fillTimeoutMs;
  const stops = () => exchange.hasLeft ? "client-left" : clock.now() > untilMs ? "too-slow" : null;
  try {
    const gathered = await gather(body, { limitBytes: MAX_DOCUMENT_BYTES, admit, stops });
    if (gathered.whole === null) return { ...answer, body: resumed(gathered.chunks, body) };
    answer.onEnd();
    return { kind: "stored", note, response: unkept(exchange.key, answer, gathered.whole) };
  } catch (error) {
    answer.onEnd(asFailure(error));
    throw error;
  } finally {
    budget.release(reservedBytes);
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
