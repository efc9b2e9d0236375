import { Buffer } from "node:buffer";
import type { Fields } from "../http/fields.ts";
import { isTrailer, parseFieldBlock } from "./field_block.ts";
import { CR, latin1Text, LF, OCTET_CLASSES, SPACE, TAB, VALUE_OCTET } from "./octets.ts";
import { WireError } from "./wire_error.ts";

/** All chunk extensions of one body together; they carry nothing that we use. */
const MAX_EXTENSION_BYTES = 16 * 1024;
/** The trailer section. */
const MAX_TRAILER_BYTES = 16 * 1024;
const MAX_TRAILER_LINES = 64;
/** 52 bits: exact in a double. */
const MAX_SIZE_DIGITS = 13;

const SEMICOLON = 59;

type State =
  | "size"
  | "padding"
  | "extension"
  | "size_lf"
  | "data"
  | "data_cr"
  | "data_lf"
  | "trailer_start"
  | "trailer"
  | "trailer_lf"
  | "end_lf"
  | "done";

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Options of a {@linkcode ChunkedDecoder}. */
export interface ChunkedOptions {
  /** Takes a chunk size that is padded with white space, which some servers send; the grammar does not have it. */
  readonly allowsPaddedSize?: boolean;
}

/**
 * Takes the chunked transfer coding off content that comes in any pieces (RFC 9112 §7.1). Chunk extensions are read within bounds
 * and dropped; trailer fields are kept where a recipient may use them.
 */
export class ChunkedDecoder {
  readonly #allowsPaddedSize: boolean;
  #state: State = "size";
  #sizeBytes = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailer: Buffer | null = null;
  #trailerBytes = 0;
  #trailers: Fields | null = null;
  #consumedEnd = 0;

  constructor(options: ChunkedOptions = {}) {
    this.#allowsPaddedSize = options.allowsPaddedSize ?? false;
  }

  /** Whether the last chunk and the trailer section have been read. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /** After {@linkcode decode}: behind the last byte that belongs to the body; what follows is not part of it. */
  get consumedEnd(): number {
    return this.#consumedEnd;
  }

  /**
   * The trailer section once {@linkcode isDone}; `null` where it is empty. Without the fields that are not allowed there: those that
   * frame, route, control, authenticate or describe the content (RFC 9110 §6.5.1).
   */
  get trailers(): Fields | null {
    return this.#trailers;
  }

  /**
   * Decodes `bytes[start, end)` in place: the content is moved together so that it begins at `start`.
   *
   * @returns the index behind the content
   * @throws {WireError} 400 for malformed framing; 431 for a trailer section that is too large
   */
  decode(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    let contentEnd = start;
    while (at < end && this.#state !== "done") {
      if (this.#state !== "data") {
        this.#step(bytes[at++]!);
        continue;
      }
      const count = Math.min(this.#sizeBytes, end - at);
      if (contentEnd !== at) bytes.copyWithin(contentEnd, at, at + count);
      at += count;
      contentEnd += count;
      this.#sizeBytes -= count;
      if (this.#sizeBytes === 0) this.#state = "data_cr";
    }
    this.#consumedEnd = at;
    return contentEnd;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case "size":
        return this.#stepSize(byte);
      case "padding":
      case "extension":
        return this.#stepExtension(byte);
      case "size_lf":
        return this.#expect(byte, LF, this.#sizeBytes === 0 ? "trailer_start" : "data");
      case "data_cr":
        return this.#expect(byte, CR, "data_lf");
      case "data_lf":
        this.#digits = 0;
        return this.#expect(byte, LF, "size");
      case "trailer_start":
      case "trailer":
        return this.#stepTrailer(byte);
      case "trailer_lf":
        this.#keep(byte);
        return this.#expect(byte, LF, "trailer_start");
      case "end_lf":
        this.#expect(byte, LF, "done");
        return this.#readTrailers();
    }
  }

  #expect(byte: number, wanted: number, next: State): void {
    if (byte !== wanted) throw new WireError(400, "Invalid chunk framing");
    this.#state = next;
  }

  #stepSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (++this.#digits > MAX_SIZE_DIGITS) throw new WireError(400, "Chunk size too large");
      this.#sizeBytes = this.#sizeBytes * 16 + digit;
      return;
    }
    if (this.#digits === 0) throw new WireError(400, "Chunk without a size");
    if (byte === CR) this.#state = "size_lf";
    else if (byte === SEMICOLON) this.#state = "extension";
    else if (byte === SPACE || byte === TAB) this.#state = "padding";
    else throw new WireError(400, "Invalid chunk size");
  }

  /** White space may stand before an extension (RFC 9112 §7.1.1); behind the size alone it is only padding. */
  #stepExtension(byte: number): void {
    const isPadding = this.#state === "padding";
    if (byte === CR && (!isPadding || this.#allowsPaddedSize)) {
      this.#state = "size_lf";
      return;
    }
    const isAllowed = isPadding
      ? byte === SPACE || byte === TAB || byte === SEMICOLON
      : (OCTET_CLASSES[byte]! & VALUE_OCTET) !== 0;
    if (!isAllowed) throw new WireError(400, "Invalid chunk extension");
    if (byte === SEMICOLON) this.#state = "extension";
    if (++this.#extensionBytes > MAX_EXTENSION_BYTES) throw new WireError(400, "Chunk extensions too large");
  }

  #stepTrailer(byte: number): void {
    if (byte === CR && this.#state === "trailer_start") {
      this.#state = "end_lf";
      return;
    }
    if (byte === LF) throw new WireError(400, "Line feed without carriage return in a trailer section");
    this.#keep(byte);
    this.#state = byte === CR ? "trailer_lf" : "trailer";
  }

  #keep(byte: number): void {
    if (this.#trailerBytes === MAX_TRAILER_BYTES) throw new WireError(431, "Trailer section too large");
    this.#trailer ??= Buffer.alloc(256);
    if (this.#trailerBytes === this.#trailer.length) {
      this.#trailer = Buffer.concat([this.#trailer], this.#trailerBytes * 2);
    }
    this.#trailer[this.#trailerBytes++] = byte;
  }

  #readTrailers(): void {
    const bytes = this.#trailer;
    if (bytes === null) return;
    const text = latin1Text(bytes, 0, this.#trailerBytes);
    const section = { bytes, start: 0, end: this.#trailerBytes, text, textStart: 0 };
    const kept = parseFieldBlock(section, MAX_TRAILER_LINES).list().filter(([name]) => isTrailer(name));
    this.#trailer = null;
    this.#trailers = kept.length === 0 ? null : kept;
  }
}
