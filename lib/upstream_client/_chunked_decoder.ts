import { protocolFailure } from "./_response_head.ts";

/** All chunk extensions of one body together; they carry nothing that we use. */
const MAX_EXTENSION_BYTES = 16 * 1024;
/** The trailer section, which is read and dropped. */
const MAX_TRAILER_BYTES = 16 * 1024;
/** 52 bits: exact in a double. */
const MAX_SIZE_DIGITS = 13;

const CR = 13;
const LF = 10;
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

/**
 * Takes the chunked transfer coding off a body that comes in any pieces (RFC 9112 §7.1). Chunk extensions and trailer fields
 * are read within bounds and dropped.
 */
export class ChunkedDecoder {
  #state: State = "size";
  #sizeBytes = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerBytes = 0;
  #consumedEnd = 0;

  /** Whether the last chunk and the trailer section have been read. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /** After {@linkcode decode}: behind the last byte that belongs to the body; what follows is not part of it. */
  get consumedEnd(): number {
    return this.#consumedEnd;
  }

  /**
   * Decodes `bytes[start, end)` in place: the content is moved together so that it begins at `start`.
   *
   * @returns the index behind the content
   * @throws {UpstreamFailure} `protocol`
   */
  decode(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    let contentEnd = start;
    while (at < end && this.#state !== "done") {
      if (this.#state !== "data") {
        this.#step(bytes[at++] ?? 0);
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
        return this.#expect(byte, LF, "trailer_start");
      case "end_lf":
        return this.#expect(byte, LF, "done");
    }
  }

  #expect(byte: number, wanted: number, next: State): void {
    if (byte !== wanted) throw protocolFailure("invalid chunk framing");
    this.#state = next;
  }

  #stepSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (++this.#digits > MAX_SIZE_DIGITS) throw protocolFailure("chunk size too large");
      this.#sizeBytes = this.#sizeBytes * 16 + digit;
      return;
    }
    if (this.#digits === 0) throw protocolFailure("chunk without a size");
    if (byte === CR) this.#state = "size_lf";
    else if (byte === SEMICOLON) this.#state = "extension";
    // Some servers pad the size to a fixed width; RFC 9112 §7.1.1 has white space before extensions too.
    else if (byte === 32 || byte === 9) this.#state = "padding";
    else throw protocolFailure("invalid chunk size");
  }

  #stepExtension(byte: number): void {
    if (byte === CR) {
      this.#state = "size_lf";
      return;
    }
    const isPadding = this.#state === "padding" && (byte === 32 || byte === 9);
    const isAllowed = this.#state === "extension" ? byte !== LF && byte !== 0 : isPadding || byte === SEMICOLON;
    if (!isAllowed) throw protocolFailure("invalid chunk extension");
    if (!isPadding) this.#state = "extension";
    if (++this.#extensionBytes > MAX_EXTENSION_BYTES) throw protocolFailure("chunk extensions too large");
  }

  #stepTrailer(byte: number): void {
    if (byte === CR) {
      this.#state = this.#state === "trailer_start" ? "end_lf" : "trailer_lf";
      return;
    }
    if (byte === LF || byte === 0) throw protocolFailure("invalid trailer section");
    if (++this.#trailerBytes > MAX_TRAILER_BYTES) throw protocolFailure("trailer section too large");
    this.#state = "trailer";
  }
}
