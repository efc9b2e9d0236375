import {
  brotliDecompressSync,
  createGunzip,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from "node:zlib";
import { acceptsCoding } from "../http/content_coding.ts";
import { belies } from "../http/content_signature.ts";
import { type Fields, fieldValue } from "../http/fields.ts";
import { splitList } from "../http/list.ts";
import { mediaTypeOf } from "../http/media_range.ts";
import { isGzip, isNeverGzip } from "../http/whole_content.ts";
import { concat } from "../request/byte_blocks.ts";
import type { FromCoded } from "../request/gathered_body.ts";
import { type UpstreamBody, UpstreamFailure, type UpstreamResponse } from "../upstream_client/transport.ts";

/** Bodies up to this size are decoded in one call; larger ones as a stream. */
const SMALL_BYTES = 65_536;

/** Of codings that are not asked for, larger bodies are refused: they are decoded in one piece. */
const MAX_UNASKED_BYTES = 4 * 1024 * 1024;

/** A coded body up to this size is kept beside what it decodes to. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** A body that decodes to less is taken for a document, also where less is stored; more may be a decompression bomb. */
const MIN_LIMIT_BYTES = 16 * 1024 * 1024;

/** The most that a body may decode to, where bodies up to `maxEntryBytes` are stored. */
export function decodedLimitBytes(maxEntryBytes: number): number {
  return Math.max(maxEntryBytes, MIN_LIMIT_BYTES);
}

/** Codings that are read; no server applies as many. */
const MAX_CODINGS = 8;

/** The codings of a response in the order in which they were applied, in lower case, `identity` left out (RFC 9110 §8.4). */
export function codingsOf(fields: Readonly<Fields>): string[] {
  const value = fieldValue(fields, "content-encoding");
  if (value === null) return [];
  return splitList(value.toLowerCase(), MAX_CODINGS).map((name) => name === "x-gzip" ? "gzip" : name)
    .filter((name) => name !== "identity" && name !== "");
}

/**
 * A response in a coding that was asked for: content in another one is decoded. A part of a representation and empty content stay as
 * they are. No request asks for several codings on top of each other.
 *
 * @param asked the `Accept-Encoding` that was sent; without one nothing is taken to be asked for
 * @throws {UpstreamFailure} where the coding is not known
 */
export function inAskedCoding(response: UpstreamResponse, asked: string | null, limitBytes: number): UpstreamResponse {
  if (fieldValue(response.fields, "content-encoding") === null) return response;
  const { status, body } = response;
  if (status === 206 || status === 304 || body.lengthBytes === 0) return response;
  const codings = codingsOf(response.fields);
  if (asked !== null && codings.length <= 1 && codings.every((coding) => acceptsCoding(asked, coding))) return response;
  return decodedResponse(response, limitBytes);
}

/**
 * A response with its content decoded, and nothing left that describes the coded form (RFC 9110 §8.4). A strong entity tag named the
 * coded bytes, so it becomes a weak one. One that is not coded is left as it is.
 *
 * @throws {UpstreamFailure} where the coding is not known; the body is given up
 */
export function decodedResponse(response: UpstreamResponse, limitBytes: number): UpstreamResponse {
  const [coding, ...others] = codingsOf(response.fields);
  if (coding === undefined) return response;
  if (others.length > 0 || !isKnownCoding(coding)) {
    response.body.cancel();
    throw new UpstreamFailure("protocol", "The content comes in a coding that was not asked for", true);
  }
  const fields = response.fields
    .filter(([name]) => name !== "content-encoding" && name !== "content-length" && name !== "accept-ranges")
    .map(([name, value]): [string, string] =>
      name === "etag" && value.startsWith('"') ? [name, `W/${value}`] : [name, value]
    );
  const mediaType = mediaTypeOf(fieldValue(response.fields, "content-type"));
  const body = new DecodedBody(response.body, { coding, limitBytes, mediaType });
  return { ...response, fields: fields as Fields, body };
}

/**
 * Content without a coding, in one piece.
 *
 * @throws {UpstreamFailure} `protocol` where it is not in that coding, `too_large` where it decodes to more than the limit
 */
export function decodedBytes(coding: string, coded: Uint8Array, limitBytes: number): Uint8Array<ArrayBuffer> {
  // Without bytes it is empty in every coding.
  if (coded.byteLength === 0) return new Uint8Array(0);
  try {
    const decoded = DECODERS.get(coding)!(coded, limitBytes);
    return new Uint8Array(decoded.buffer as ArrayBuffer, decoded.byteOffset, decoded.byteLength);
  } catch (error) {
    throw (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE" ? tooLarge(limitBytes) : notCoded(error);
  }
}

type Decoder = (coded: Uint8Array, maxOutputLength: number) => Uint8Array;

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gzip", (coded, maxOutputLength) => gunzipSync(coded, { maxOutputLength })],
  ["br", (coded, maxOutputLength) => brotliDecompressSync(coded, { maxOutputLength })],
  ["zstd", (coded, maxOutputLength) => zstdDecompressSync(coded, { maxOutputLength })],
  // With the zlib wrapper (RFC 9110 §8.4.1.2), or without, as some servers send it.
  [
    "deflate",
    (coded, maxOutputLength) =>
      (coded[0]! & 0x0f) === 8 ? inflateSync(coded, { maxOutputLength }) : inflateRawSync(coded, { maxOutputLength }),
  ],
]);

/** Whether content in a coding can be decoded here. */
export function isKnownCoding(coding: string): boolean {
  return DECODERS.has(coding);
}

interface DecodedOptions {
  readonly coding: string;
  readonly limitBytes: number;
  readonly mediaType: string;
}

/** A coded body, decoded as it is read; one that decodes to more than the limit is refused (a bomb, or no document). */
class DecodedBody implements UpstreamBody, FromCoded {
  readonly lengthBytes = null;
  readonly #body: UpstreamBody;
  readonly #options: DecodedOptions;
  #isBegun = false;
  #isEnded = false;
  #reader: ChunkReader | null = null;
  #bytes = 0;
  /** The coded bytes that were read; `null` where they are not kept. */
  #kept: Uint8Array[] | null;
  #keptBytes = 0;

  constructor(body: UpstreamBody, options: DecodedOptions) {
    this.#body = body;
    this.#options = options;
    this.#kept = options.coding === "gzip" ? [] : null;
  }

  get gzip(): Uint8Array<ArrayBuffer> | null {
    const kept = this.#kept;
    if (!this.#isEnded || kept === null || this.#keptBytes === 0) return null;
    return kept.length === 1 ? kept[0] as Uint8Array<ArrayBuffer> : concat(kept, this.#keptBytes);
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#isEnded) return null;
    const isFirst = !this.#isBegun;
    this.#isBegun = true;
    const chunk = isFirst && this.#isInOnePiece ? await this.#readWhole() : await this.#readNext();
    if (chunk === null || chunk.byteLength === 0) {
      this.#isEnded = true;
      return null;
    }
    if (isFirst) this.#look(chunk);
    return chunk;
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let bytes = 0;
    for (let chunk = await this.read(); chunk !== null; chunk = await this.read()) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes <= limitBytes) continue;
      this.cancel();
      throw tooLarge(limitBytes);
    }
    return chunks.length === 1 ? chunks[0]! : concat(chunks, bytes);
  }

  cancel(): void {
    this.#kept = null;
    this.#reader?.cancel();
    this.#body.cancel();
  }

  /** Compares the first bytes with the content's type. */
  #look(chunk: Uint8Array): void {
    const { mediaType } = this.#options;
    if (!belies(mediaType, chunk) && !(isNeverGzip(mediaType) && isGzip(chunk))) return;
    this.cancel();
    throw new UpstreamFailure("protocol", "The body is not what Content-Type says", true);
  }

  get #isInOnePiece(): boolean {
    const { lengthBytes, whole } = this.#body;
    const { coding } = this.#options;
    // In one piece, a missing end of a brotli stream would not be noticed.
    if (coding !== "gzip") return coding !== "br";
    return whole != null ? whole.byteLength <= SMALL_BYTES : lengthBytes !== null && lengthBytes <= SMALL_BYTES;
  }

  async #readWhole(): Promise<Uint8Array<ArrayBuffer>> {
    const { coding, limitBytes, mediaType } = this.#options;
    const coded = this.#body.whole ?? await this.#body.readAll(Math.min(limitBytes, MAX_UNASKED_BYTES));
    this.#keep(coded);
    const decoded = decodedBytes(coding, coded, limitBytes);
    this.#isEnded = true;
    if (!isGzip(decoded) || !isNeverGzip(mediaType)) return decoded;
    // Coded twice: by the origin and by an edge before it.
    this.#kept = null;
    return decodedBytes("gzip", decoded, limitBytes);
  }

  async #readNext(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#reader === null) {
      const first = await this.#body.read();
      if (first === null) return null;
      this.#reader = this.#decoded(first);
    }
    const chunk = await this.#reader.read().catch(rethrow);
    if (chunk === null) return null;
    this.#bytes += chunk.byteLength;
    if (this.#bytes > this.#options.limitBytes) {
      this.cancel();
      throw tooLarge(this.#options.limitBytes);
    }
    return chunk;
  }

  /** @param first of the coded bytes */
  #decoded(first: Uint8Array): ChunkReader {
    let ahead: Uint8Array | null = first;
    const coded = async () => {
      const chunk = ahead ?? await this.#body.read();
      ahead = null;
      if (chunk !== null) this.#keep(chunk);
      return chunk;
    };
    return this.#options.coding === "br" ? brotliReader(coded) : new GunzipReader(coded, this.#options.limitBytes);
  }

  #keep(chunk: Uint8Array): void {
    if (this.#kept === null) return;
    this.#keptBytes += chunk.byteLength;
    if (this.#keptBytes > MAX_KEPT_BYTES) this.#kept = null;
    else this.#kept.push(chunk);
  }
}

/** By the runtime's stream, which tells where the end is missing. */
function brotliReader(coded: () => Promise<Uint8Array | null>): ChunkReader {
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const chunk = await coded();
      if (chunk === null) controller.close();
      else controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
    },
  }, { highWaterMark: 0 });
  // The type knows fewer formats than the runtime does.
  const reader = source.pipeThrough(new DecompressionStream("brotli" as CompressionFormat)).getReader();
  return {
    async read() {
      const { done, value } = await reader.read();
      return done ? null : value;
    },
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

function rethrow(error: unknown): never {
  throw error instanceof UpstreamFailure ? error : notCoded(error);
}

function notCoded(cause: unknown): UpstreamFailure {
  return new UpstreamFailure("protocol", "The body is not what Content-Encoding says", true, { cause });
}

function tooLarge(limitBytes: number): UpstreamFailure {
  return new UpstreamFailure("too_large", `The decoded body holds more than ${limitBytes} bytes`, true);
}

/** Content that is read chunk by chunk, and may be given up. */
interface ChunkReader {
  /** The next chunk; `null` after the end. Not to be called while another call is under way. */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  cancel(): void;
}

/**
 * Gzip that is decoded as it comes in. Unlike the runtime's own stream it takes several members, one behind the other, and padding
 * (RFC 1952 §2.2), and a short body costs a third.
 */
class GunzipReader implements ChunkReader {
  readonly #coded: () => Promise<Uint8Array | null>;
  readonly #gunzip = createGunzip();
  readonly #decoded: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #error: Error | null = null;
  #isEnded = false;
  #wake: () => void = () => {};

  /**
   * @param coded reads what is to be decoded
   * @param limitBytes no more than that, and one piece, is ever decoded
   */
  constructor(coded: () => Promise<Uint8Array | null>, limitBytes: number) {
    this.#coded = coded;
    this.#gunzip.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
      this.#decoded.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      this.#bytes += chunk.byteLength;
      // One chunk may hold a thousand times its size.
      if (this.#bytes > limitBytes) this.#end();
    });
    this.#gunzip.on("end", () => this.#end());
    this.#gunzip.on("error", (error: Error) => {
      this.#error = error;
      this.#wake();
    });
  }

  /** @throws {Error} what zlib says of content that is no gzip, or is cut short; what reading it throws */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#decoded.length === 0) {
      if (this.#error !== null) throw this.#error;
      if (this.#isEnded) return null;
      const chunk = await this.#coded();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (chunk === null) this.#gunzip.end();
        else this.#gunzip.write(chunk, () => resolve());
      });
    }
    return this.#decoded.shift()!;
  }

  cancel(): void {
    this.#end();
  }

  #end(): void {
    this.#isEnded = true;
    this.#gunzip.destroy();
    this.#wake();
  }
}
