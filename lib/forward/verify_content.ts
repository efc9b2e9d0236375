import { concat } from "../request/gathered_body.ts";
import type { Exchange } from "../request/exchange.ts";
import { belies, hasSignature, SIGNATURE_BYTES } from "../http/content_signature.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { isGzip, isNeverGzip, isWholeContent } from "../http/whole_content.ts";
import { type UpstreamBody, UpstreamFailure, type UpstreamResponse } from "../upstream_client/transport.ts";
import type { Judgement } from "../upstream_type/upstream_type.ts";
import { codingsOf, decodedBytes, type FromCoded, gzipOf, isKnownCoding } from "./decode.ts";
import type { Ask } from "./outgoing.ts";

/** An answer and what it is taken for. */
export interface Judged {
  readonly response: UpstreamResponse;
  readonly judgement: Judgement;
}

const FEW_BYTES = 1_024;

/** Coded content up to this size is decoded to be looked at; of more, it is enough that its framing was complete. */
const MAX_LOOKED_INTO_BYTES = 1024 * 1024;

/**
 * An answer whose content is gzip without a word of it, where its pool verifies content of that type: with the `Content-Encoding` that
 * it lacks. Others come back as they are.
 *
 * @throws {UpstreamFailure} the body broke off before that
 */
export async function withToldCoding(
  exchange: Exchange,
  ask: Ask,
  response: UpstreamResponse,
): Promise<UpstreamResponse> {
  const mediaType = mediaTypeOf(fieldValue(response.fields, "content-type"));
  if (!isRead(ask, response) || !exchange.tenant.type.verifies(mediaType) || !isNeverGzip(mediaType)) return response;
  if (codingsOf(response.fields).length > 0) return response;
  const { body, head } = await beginningOf(response.body);
  const seen = body === response.body ? response : { ...response, body };
  if (!isGzip(head.bytes)) return seen;
  const fields: Fields = seen.fields.filter(([name]) => name !== "content-encoding");
  return { ...seen, fields: [...fields, ["content-encoding", "gzip"]] };
}

/**
 * Looks at the first bytes of an answer where its pool says what it carries, and takes one for wrong content whose bytes are not
 * what its type says. Content that is coded is looked at when it is decoded; what has come as a whole, also at its end.
 *
 * @throws {UpstreamFailure} the body broke off before that
 */
export async function inspectedResponse(exchange: Exchange, ask: Ask, judged: Judged): Promise<Judged> {
  const { response, judgement } = judged;
  if (judgement !== "ok" || ask.method !== "GET" || response.status !== 200) return judged;
  const mediaType = mediaTypeOf(fieldValue(response.fields, "content-type"));
  const isVerified = exchange.tenant.type.verifies(mediaType);
  if (response.body.lengthBytes === 0) return isVerified ? { response, judgement: "wrong_content" } : judged;
  if (!isVerified && !hasSignature(mediaType)) return judged;
  if (codingsOf(response.fields).length > 0) return judged;
  const { body, head } = await beginningOf(response.body);
  // What is taken in for the cache is looked at as a whole then; of a few bytes it costs nothing to know at once.
  const isLookedAt = isVerified && head.isWhole && (!ask.forCache || head.bytes.byteLength <= FEW_BYTES);
  const isWrong = belies(mediaType, head.bytes) || (isLookedAt && !isWholeContent(mediaType, head.bytes));
  if (isWrong) {
    body.cancel();
    return { response, judgement: "wrong_content" };
  }
  return { response: body === response.body ? response : { ...response, body }, judgement };
}

/**
 * Why a body that is there as a whole must not be kept; `null` where nothing is wrong with it, or its pool does not verify content of
 * its type.
 */
export function contentFailure(
  exchange: Exchange,
  { status, fields }: Pick<UpstreamResponse, "status" | "fields">,
  content: Uint8Array,
): UpstreamFailure | null {
  const mediaType = mediaTypeOf(fieldValue(fields, "content-type"));
  // Other statuses speak for themselves, whatever comes with them.
  if (status !== 200 || !exchange.tenant.type.verifies(mediaType)) return null;
  return isWholeUncoded(mediaType, fields, content) ? null : cutShort();
}

function isWholeUncoded(mediaType: string, fields: Readonly<Fields>, content: Uint8Array): boolean {
  const [coding, ...others] = codingsOf(fields);
  if (coding === undefined) return isWholeContent(mediaType, content);
  if (content.byteLength === 0) return false;
  if (others.length > 0 || !isKnownCoding(coding) || content.byteLength > MAX_LOOKED_INTO_BYTES) return true;
  try {
    return isWholeContent(mediaType, decodedBytes(coding, content, 16 * MAX_LOOKED_INTO_BYTES));
  } catch (error) {
    return error instanceof UpstreamFailure && error.kind === "too_large";
  }
}

function cutShort(): UpstreamFailure {
  return new UpstreamFailure("content", "The body is empty, cut short, or not what Content-Type says", true);
}

/** Whether an answer has content that says something of all of a representation. */
function isRead({ method }: Ask, { status, body }: UpstreamResponse): boolean {
  return method === "GET" && status >= 200 && status !== 204 && status !== 206 && status !== 304 &&
    body.lengthBytes !== 0;
}

/** The beginning of a body. */
interface Head {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** It is all of the body. */
  readonly isWhole: boolean;
}

/** The beginning of a body, and the body with nothing read of it. */
async function beginningOf(body: UpstreamBody): Promise<{ readonly body: UpstreamBody; readonly head: Head }> {
  const { whole } = body;
  if (whole != null) return { body, head: { bytes: whole, isWhole: true } };
  if (body instanceof ResumedBody && body.head !== null) return { body, head: body.head };
  const head = await readHead(body);
  return { body: new ResumedBody(head, body), head };
}

/** The first chunk, or as many as make a signature. */
async function readHead(body: UpstreamBody): Promise<Head> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < SIGNATURE_BYTES) {
    const chunk = await body.read();
    if (chunk === null) return { bytes: concat(chunks, length), isWhole: true };
    chunks.push(chunk);
    length += chunk.byteLength;
  }
  const only = chunks.length === 1 ? chunks[0] as Uint8Array<ArrayBuffer> : concat(chunks, length);
  return { bytes: only, isWhole: false };
}

/** A body of which the beginning has been read: gives that again, then the rest. */
class ResumedBody implements UpstreamBody, FromCoded {
  readonly lengthBytes: number | null;
  readonly #rest: UpstreamBody;
  readonly #restIsEmpty: boolean;
  #head: Head | null;

  constructor(head: Head, rest: UpstreamBody) {
    this.lengthBytes = rest.lengthBytes;
    this.#head = head;
    this.#rest = rest;
    this.#restIsEmpty = head.isWhole;
  }

  /** What has been read; `null` once it has been given. */
  get head(): Head | null {
    return this.#head;
  }

  get gzip(): Uint8Array<ArrayBuffer> | null {
    return gzipOf(this.#rest);
  }

  get whole(): Uint8Array<ArrayBuffer> | null {
    return this.#head?.isWhole === true ? this.#head.bytes : null;
  }

  get trailers(): UpstreamBody["trailers"] {
    return this.#rest.trailers ?? null;
  }

  read(): Promise<Uint8Array | null> {
    const head = this.#head;
    this.#head = null;
    if (head !== null && head.bytes.byteLength > 0) return Promise.resolve(head.bytes);
    return this.#restIsEmpty ? Promise.resolve(null) : this.#rest.read();
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const head = this.#head?.bytes ?? new Uint8Array();
    this.#head = null;
    if (head.byteLength > limitBytes) {
      this.cancel();
      throw new UpstreamFailure("too_large", `The body holds more than ${limitBytes} bytes`, true);
    }
    if (this.#restIsEmpty) return head;
    const rest = await this.#rest.readAll(limitBytes - head.byteLength);
    return rest.byteLength === 0 ? head : concat([head, rest], head.byteLength + rest.byteLength);
  }

  cancel(): void {
    this.#rest.cancel();
  }
}
