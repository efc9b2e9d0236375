import { Buffer } from "node:buffer";
import { ChunkedDecoder } from "../../lib/wire/chunked_decoder.ts";
import { findHeadEnd } from "../../lib/wire/head_end.ts";
import {
  checkUnfinishedHead,
  type HeadLimits,
  maxHeadBytes,
  parseRequestHead,
  type RequestHead,
} from "../../lib/wire/request_head.ts";
import { WireError } from "../../lib/wire/wire_error.ts";
import type { FramingCase, TakenRequest } from "./framing_cases.ts";

/** What a connection's bytes came to. */
export type Outcome = Pick<FramingCase, "taken" | "refusal">;

/** The bytes of Latin-1 text. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Latin-1 text of bytes. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** Reads requests off pieces as they come, as a server does: a buffer that is used again, heads and content found step by step. */
export class RequestReader {
  readonly taken: TakenRequest[] = [];
  readonly heads: RequestHead[] = [];
  readonly #limits: HeadLimits;
  readonly #buffer: Buffer;
  #start = 0;
  #end = 0;
  #scannedTo = 0;
  #head: RequestHead | null = null;
  #decoder: ChunkedDecoder | null = null;
  #remainingBytes = 0;
  #body = "";

  constructor(limits: HeadLimits) {
    this.#limits = limits;
    // What lies behind the bytes read is never looked at: here it would be taken for field lines.
    this.#buffer = Buffer.alloc(maxHeadBytes(limits), "a: b\r\n\r\n");
  }

  /** @throws {WireError} */
  feed(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      const count = Math.min(piece.length - at, this.#room());
      if (count === 0) throw new Error("The buffer is full, and nothing was refused");
      this.#buffer.set(piece.subarray(at, at + count), this.#end);
      this.#end += count;
      at += count;
      while (this.#step());
    }
  }

  #room(): number {
    this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#scannedTo -= this.#start;
    this.#end -= this.#start;
    this.#start = 0;
    return this.#buffer.length - this.#end;
  }

  /** Whether there may be more to be read out of the buffer. */
  #step(): boolean {
    if (this.#head === null) return this.#readHead();
    if (!this.#readBody(this.#head)) return false;
    const { method, target } = this.#head;
    const trailers = this.#decoder?.trailers ?? null;
    this.taken.push({ method, target, body: this.#body, ...(trailers === null ? {} : { trailers }) });
    this.#head = null;
    this.#decoder = null;
    this.#body = "";
    this.#scannedTo = this.#start;
    return this.#start < this.#end;
  }

  #readHead(): boolean {
    const headEnd = findHeadEnd(this.#buffer, this.#start, this.#end, this.#scannedTo);
    this.#scannedTo = this.#end;
    if (headEnd < 0) {
      checkUnfinishedHead(this.#buffer, this.#start, this.#end, this.#limits);
      return false;
    }
    this.#head = parseRequestHead(this.#buffer, this.#start, headEnd, this.#limits);
    this.heads.push(this.#head);
    this.#start = headEnd;
    const { kind, lengthBytes } = this.#head.framing;
    if (kind === "chunked") this.#decoder = new ChunkedDecoder();
    else this.#remainingBytes = lengthBytes ?? 0;
    return true;
  }

  /** Whether the content is complete. */
  #readBody(head: RequestHead): boolean {
    const from = this.#start;
    if (head.framing.kind !== "chunked") {
      const to = Math.min(this.#end, from + this.#remainingBytes);
      this.#remainingBytes -= to - from;
      this.#start = to;
      this.#body += textOf(this.#buffer.subarray(from, to));
      return this.#remainingBytes === 0;
    }
    const contentEnd = this.#decoder!.decode(this.#buffer, from, this.#end);
    this.#body += textOf(this.#buffer.subarray(from, contentEnd));
    this.#start = this.#decoder!.consumedEnd;
    return this.#decoder!.isDone;
  }
}

/** What comes of pieces that are read one after the other. An error that is no refusal is thrown. */
export function outcomeOf(pieces: readonly Uint8Array[], limits: HeadLimits): Outcome {
  const reader = new RequestReader(limits);
  try {
    for (const piece of pieces) reader.feed(piece);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { taken: reader.taken, refusal: error.status };
  }
  return { taken: reader.taken, refusal: null };
}
