import { createHash } from "node:crypto";
import { brotliCompress, constants, gzip, zstdCompress } from "node:zlib";
import { KEY_SEPARATOR } from "../cache/key.ts";
import type { StoredHead, StoredResponse } from "../cache/stored_response.ts";
import { responseDirectives } from "../http/cache_control.ts";
import { type Fields } from "../http/fields.ts";
import { withVary } from "../http/vary.ts";
import type { Coding, CompressOptions } from "../request/snapshot.ts";

/** Larger bodies are not compressed: a core would be busy for too long. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The field of a stored form with the hash of its source; it is never sent. */
export const SOURCE = "x-usher-source";

/** The forms of a stored response: identity and codings. Made once for each stored response. */
export class Forms {
  /** Without a coding, with the `Vary` that a choice of codings requires (RFC 9110 §12.5.5). */
  readonly identity: StoredResponse;
  /** Codings that are being made, or that saved too little. */
  readonly settled = new Set<Coding>();
  readonly #stored: StoredResponse;
  readonly #heads = new Map<Coding, StoredResponse>();
  readonly #coded = new WeakMap<StoredResponse, StoredResponse>();
  #source: string | null = null;

  constructor(stored: StoredResponse) {
    this.#stored = stored;
    this.identity = stored.with({ fields: withVary(stored.fields, "Accept-Encoding") });
  }

  /** The coded form without its body: enough for a 304. */
  head(coding: Coding): StoredResponse {
    let head = this.#heads.get(coding);
    if (head === undefined) {
      head = this.#stored.with({ fields: codedFields(this.#stored.fields, coding), body: new Uint8Array(0) });
      this.#heads.set(coding, head);
    }
    return head;
  }

  /** The key of a coding's stored body. */
  key(coding: Coding): string {
    return `${this.#stored.key}${KEY_SEPARATOR}~${coding}`;
  }

  /** The coded form with a stored body; `null` where that was made of another body. */
  with(coding: Coding, entry: StoredResponse): StoredResponse | null {
    const known = this.#coded.get(entry);
    if (known !== undefined) return known;
    if (entry.field(SOURCE) !== this.#sourceHash()) return null;
    const coded = this.head(coding).with({ body: entry.body });
    this.#coded.set(entry, coded);
    return coded;
  }

  /** A coded body as it is stored: with the lifetime and the tags of its source. */
  entryFor(coding: Coding, body: Uint8Array<ArrayBuffer>): StoredResponse {
    const fields: Fields = [[SOURCE, this.#sourceHash()]];
    return this.#stored.with({ key: this.key(coding), fields, selectedBy: [], body });
  }

  #sourceHash(): string {
    return this.#source ??= sourceHash(this.#stored);
  }
}

/** The hash of a form's source: its body's. */
export function sourceHash({ body }: StoredResponse): string {
  return createHash("sha256").update(body).digest("base64url");
}

/** A response, stored or being stored, as far as its coding depends on it. */
export type FormHead = Pick<StoredHead, "status" | "field" | "tiers">;

/** Whether a response may be served in another coding than it has (RFC 9111 §5.2.2.6); `null` is a length that is not known yet. */
export function isCodable(
  head: FormHead,
  lengthBytes: number | null,
  options: CompressOptions,
): boolean {
  const { status, tiers } = head;
  // It is not stored, and would be coded anew each time.
  if (!tiers.memory && !tiers.disk) return false;
  if (status !== 200) return false;
  if (lengthBytes !== null && (lengthBytes < options.minBytes || lengthBytes > MAX_BYTES)) return false;
  if (head.field("content-encoding") !== null || head.field("set-cookie") !== null) return false;
  const type = (head.field("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  return options.isCompressible(type) && !responseDirectives(head.field("cache-control")).noTransform;
}

/** Other bytes, so another entity tag; ranges are of the identity form alone (RFC 9110 §8.8.1, §14.3). */
function codedFields(fields: Readonly<Fields>, coding: Coding): Fields {
  const coded = withVary(fields, "Accept-Encoding").filter(([name]) =>
    name !== "accept-ranges" && name !== "content-md5"
  )
    .map(([name, value]): [string, string] => name === "etag" ? [name, codedTag(value, coding)] : [name, value]);
  coded.push(["content-encoding", coding]);
  return coded;
}

/** The coding inside the quotes; a tag that is none stays as it is. */
function codedTag(tag: string, coding: Coding): string {
  return tag.endsWith('"') && tag.length > 1 ? `${tag.slice(0, -1)}-${coding}"` : tag;
}

type Done = (error: Error | null, coded: Uint8Array) => void;

/** Levels that cost about as much as they save: bodies are coded while requests are served. */
const CODERS: Readonly<Record<Coding, (body: Uint8Array, done: Done) => void>> = {
  br: (body, done) => {
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: 5,
      [constants.BROTLI_PARAM_SIZE_HINT]: body.byteLength,
    };
    brotliCompress(body, { params }, done);
  },
  gzip: (body, done) => gzip(body, { level: 6 }, done),
  zstd: (body, done) => zstdCompress(body, { params: { [constants.ZSTD_c_compressionLevel]: 6 } }, done),
};

/**
 * A body in a content coding (RFC 9110 §8.4.1), coded in another thread; rejects with zlib's error.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { gunzipSync } from "node:zlib";
 * import { compressed } from "./coded_form.ts";
 * const body = new TextEncoder().encode("again and again ".repeat(100));
 * const coded = await compressed(body, "gzip");
 * assert.ok(coded.byteLength < 100);
 * assert.deepEqual(new Uint8Array(gunzipSync(coded)), body);
 * ```
 */
export async function compressed(body: Uint8Array, coding: Coding): Promise<Uint8Array<ArrayBuffer>> {
  const coded = await new Promise<Uint8Array>((resolve, reject) =>
    CODERS[coding](body, (error, result) => error === null ? resolve(result) : reject(error))
  );
  // A copy: zlib's buffer may be larger than its content.
  return new Uint8Array(coded);
}
