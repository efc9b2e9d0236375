import type { StoredResponse } from "../cache/stored_response.ts";
import { gather, resumed } from "../request/body_stream.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import { type Answer, asFailure } from "../forward/forward.ts";
import { isDocument, MAX_DOCUMENT_BYTES, withoutContentFields } from "../deliver/json_document.ts";
import { respondStored } from "../deliver/respond.ts";
import { rewrittenForm } from "../deliver/rewritten_form.ts";
import { directFields, type DirectOptions, respondDirect } from "./respond_direct.ts";

export { respondDirect } from "./respond_direct.ts";
export { isDocument } from "../deliver/json_document.ts";

/** How an answer that is not stored is passed on. */
export interface AnswerOptions extends DirectOptions {
  /** What the upstream was asked with. */
  readonly method: string;
}

/**
 * Whether an answer is no document to be changed after all, while the client asked for less than all of it: it has to be asked for
 * once more, in the client's own way.
 */
export function isAskedInVain(exchange: Exchange, { response }: Answer): boolean {
  if (exchange.rewrite === null || exchange.isPlain || response.status !== 200) return false;
  // What is private may change something each time.
  return exchange.private === null && !isDocument(response, response.body.lengthBytes);
}

/**
 * Passes on an answer that is not stored: as it comes in, or whole where its document is to be changed.
 *
 * @throws {UpstreamFailure} when such a document breaks off
 */
export function respondAnswer(
  exchange: Exchange,
  answer: Answer,
  options: AnswerOptions,
): Response | Promise<Response> {
  const { response } = answer;
  if (exchange.rewrite === null || !isDocument(response, response.body.lengthBytes)) {
    return respondDirect(exchange, answer, options);
  }
  if (options.method === "HEAD") {
    const fields = withoutContentFields(options.fields ?? directFields(exchange, answer, options.note));
    return respondDirect(exchange, answer, { ...options, fields });
  }
  return respondDocument(exchange, answer, options);
}

async function respondDocument(exchange: Exchange, answer: Answer, options: AnswerOptions): Promise<Response> {
  const { body } = answer.response;
  const { budget } = exchange.services;
  let reservedBytes = 0;
  const admit = (bytes: number) => {
    if (!budget.reserve(bytes)) return false;
    reservedBytes += bytes;
    return true;
  };
  if (!admit(body.lengthBytes ?? 0)) return respondDirect(exchange, answer, options);
  try {
    const gathered = await gather(body, { limitBytes: MAX_DOCUMENT_BYTES, admit });
    if (gathered.whole === null) {
      const response = { ...answer.response, body: resumed(gathered.chunks, body) };
      return respondDirect(exchange, { ...answer, response }, options);
    }
    answer.release();
    const whole = unkept(exchange, answer, { body: gathered.whole, note: options.note });
    return respondStored(exchange, rewrittenForm(exchange, whole), options.note);
  } catch (error) {
    answer.release(asFailure(error));
    throw error;
  } finally {
    budget.release(reservedBytes);
  }
}

/** A whole answer in the form of a stored response, for this request alone. */
function unkept(
  exchange: Exchange,
  answer: Answer,
  { body, note }: { readonly body: Uint8Array<ArrayBuffer>; readonly note: CacheNote },
): StoredResponse {
  const fields = directFields(exchange, answer, note).filter(([name]) => name !== "content-length");
  fields.push(["content-length", String(body.byteLength)]);
  return {
    key: exchange.key,
    status: answer.response.status,
    fields,
    body,
    requestTimeMs: answer.requestTimeMs,
    responseTimeMs: answer.response.receivedAtMs,
    freshness: USED_ONCE,
    selectedBy: [],
    tags: [],
    tiers: { memory: false, disk: false },
  };
}

const USED_ONCE = {
  initialAgeMs: 0,
  lifetimeMs: 0,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  mustRevalidate: true,
  alwaysValidate: true,
};
