import { concat } from "../request/gathered_body.ts";
import type { Exchange } from "../request/exchange.ts";
import { belies, hasSignature, SIGNATURE_BYTES } from "../http/content_signature.ts";
import { fieldValue } from "../http/fields.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { type UpstreamBody, UpstreamFailure, type UpstreamResponse } from "../upstream_client/transport.ts";
import type { Judgement } from "../upstream_type/upstream_type.ts";
import type { Ask } from "./outgoing.ts";

/** An answer and what it is taken for. */
export interface Judged {
  readonly response: UpstreamResponse;
  readonly judgement: Judgement;
}

/**
 * Looks at the first bytes of an answer where its pool says what it carries, and takes one for wrong content whose bytes are not
 * what its type says. Content that is coded is looked at when it is decoded.
 *
 * @throws {UpstreamFailure} the body broke off before that
 */
export async function inspectedResponse(exchange: Exchange, ask: Ask, judged: Judged): Promise<Judged> {
  const { response, judgement } = judged;
  if (!exchange.tenant.pool.inspectsContent || judgement !== "ok" || ask.method !== "GET") return judged;
  const mediaType = mediaTypeOf(fieldValue(response.fields, "content-type"));
  if (response.status !== 200 || response.body.lengthBytes === 0 || !hasSignature(mediaType)) return judged;
  if (isCoded(response)) return judged;
  const head = await readHead(response.body);
  if (belies(mediaType, head.bytes)) {
    response.body.cancel();
    return { response, judgement: "wrong_content" };
  }
  return { response: { ...response, body: new ResumedBody(head, response.body) }, judgement };
}

function isCoded({ fields }: UpstreamResponse): boolean {
  const coding = fieldValue(fields, "content-encoding");
  return coding !== null && coding.trim().toLowerCase() !== "identity";
}

/** The beginning of a body. */
interface Head {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** It is all of the body. */
  readonly isWhole: boolean;
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
class ResumedBody implements UpstreamBody {
  readonly lengthBytes: number | null;
  readonly #rest: UpstreamBody;
  readonly #restIsEmpty: boolean;
  #head: Uint8Array<ArrayBuffer> | null;

  constructor({ bytes, isWhole }: Head, rest: UpstreamBody) {
    this.lengthBytes = rest.lengthBytes;
    this.#head = bytes.byteLength === 0 ? null : bytes;
    this.#rest = rest;
    this.#restIsEmpty = isWhole;
  }

  read(): Promise<Uint8Array | null> {
    const head = this.#head;
    this.#head = null;
    if (head !== null) return Promise.resolve(head);
    return this.#restIsEmpty ? Promise.resolve(null) : this.#rest.read();
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const head = this.#head ?? new Uint8Array();
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
