import { Buffer } from "node:buffer";
import type { Field, Fields } from "../http/fields.ts";
import { concat } from "../request/byte_blocks.ts";
import { type FromCoded, gzipOf } from "../request/gathered_body.ts";
import type { UpstreamBody, UpstreamResponse } from "../upstream_client/transport.ts";
import { decodedResponse } from "./decode.ts";

/** Times that a value is unescaped to find a credential in it. */
const MAX_UNESCAPES = 3;
const STAR = 0x2a;

/**
 * A response without the request's credential, where the upstream repeats it: in a redirect to the requested URL, or an error that quotes
 * it. It is removed from field values and masked by stars in the body. Coded content is decoded for that.
 *
 * @throws {UpstreamFailure} where it comes in a coding that is not known
 */
export function withoutSecret(response: UpstreamResponse, secret: string, limitBytes: number): UpstreamResponse {
  const isEmpty = response.body.lengthBytes === 0;
  const plain = isEmpty ? response : decodedResponse(response, limitBytes);
  return {
    ...plain,
    fields: fieldsWithoutSecret(plain.fields, secret),
    body: isEmpty ? plain.body : new MaskedBody(plain.body, Buffer.from(secret)),
  };
}

/** Fields without the credential, in any spelling. */
export function fieldsWithoutSecret(fields: Readonly<Fields>, secret: string): Fields {
  return fields.flatMap(fieldCleaner(secret));
}

/** Takes the text out of a field's value; one that holds it in an escaped spelling goes as a whole. */
function fieldCleaner(secret: string): (field: Field) => Field[] {
  const text = new RegExp(secret.replaceAll(/[^A-Za-z0-9]/g, "\\$&"), "gi");
  const isPresent = (value: string) => value.search(text) >= 0;
  return ([name, value]) => {
    const cleaned = value.replaceAll(text, "");
    return unescapes(cleaned).some(isPresent) ? [] : [[name, cleaned]];
  };
}

/** A value with its escapes undone, once, twice and so on. */
function unescapes(value: string): string[] {
  const spellings: string[] = [];
  let last = value;
  for (let turn = 0; turn < MAX_UNESCAPES && last.includes("%"); turn++) {
    last = last.replaceAll(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    spellings.push(last);
  }
  return spellings;
}

/** A body with stars in the place of a text, which may lie across chunks; its length stays. */
class MaskedBody implements UpstreamBody, FromCoded {
  readonly lengthBytes: number | null;
  readonly #body: UpstreamBody;
  readonly #secret: Buffer;
  /** The last bytes read, where the text may have begun. */
  #pending: Uint8Array = new Uint8Array();
  #isMasked = false;

  constructor(body: UpstreamBody, secret: Buffer) {
    this.lengthBytes = body.lengthBytes;
    this.#body = body;
    this.#secret = secret;
  }

  /** The coded bytes hold the text as well. */
  get gzip(): Uint8Array<ArrayBuffer> | null {
    return this.#isMasked ? null : gzipOf(this.#body);
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = await this.#body.read();
      if (chunk === null) return this.#rest();
      const pending = this.#pending;
      const joined = pending.byteLength === 0 ? chunk : concat([pending, chunk], pending.byteLength + chunk.byteLength);
      this.#mask(joined);
      const end = joined.byteLength - beginning(joined, this.#secret);
      this.#pending = joined.subarray(end);
      if (end > 0) return joined.subarray(0, end);
    }
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const whole = await this.#body.readAll(limitBytes);
    this.#mask(whole);
    return whole;
  }

  cancel(): void {
    this.#body.cancel();
  }

  #mask(bytes: Uint8Array): void {
    this.#isMasked = mask(bytes, this.#secret) || this.#isMasked;
  }

  #rest(): Uint8Array | null {
    const rest = this.#pending;
    this.#pending = new Uint8Array();
    return rest.byteLength === 0 ? null : rest;
  }
}

/** Answers whether there was anything to be masked. */
function mask(bytes: Uint8Array, secret: Buffer): boolean {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let isMasked = false;
  for (let at = view.indexOf(secret); at >= 0; at = view.indexOf(secret, at + secret.byteLength)) {
    view.fill(STAR, at, at + secret.byteLength);
    isMasked = true;
  }
  return isMasked;
}

/** Number of final bytes that equal the beginning of a text. */
function beginning(bytes: Uint8Array, secret: Buffer): number {
  for (let count = Math.min(secret.byteLength - 1, bytes.byteLength); count > 0; count--) {
    const from = bytes.byteLength - count;
    let same = 0;
    while (same < count && bytes[from + same] === secret[same]) same++;
    if (same === count) return count;
  }
  return 0;
}
