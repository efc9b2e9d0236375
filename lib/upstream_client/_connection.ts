import { Buffer } from "node:buffer";
import type { Deadlines, Expirable } from "../wire/deadlines.ts";
import { findHeadEnd } from "../wire/head_end.ts";
import { writeLatin1 } from "../wire/head_writer.ts";
import { MAX_RESPONSE_HEAD_BYTES, parseResponseHead, type ResponseHead } from "../wire/response_head.ts";
import { WireError } from "../wire/wire_error.ts";
import { giveChunkBuffer, takeChunkBuffer } from "./_chunk_buffers.ts";
import type { Socket } from "./_socket.ts";
import { type FailureKind, UpstreamFailure } from "./transport.ts";

/** Holds most JSON answers with their field section in one read; idle connections keep it too. */
const SMALL_BUFFER_BYTES = 16 * 1024;
const WRITE_BUFFER_BYTES = 2 * 1024;

/** Parts of a connection. */
export interface ConnectionOptions {
  readonly socket: Socket;
  /** Host and port, for messages. */
  readonly authority: string;
  readonly deadlines: Deadlines;
  /** Called once, when the connection is closed. */
  readonly onClose: (connection: Connection) => void;
}

/** The failure of a response that breaks the grammar; the upstream has seen the request. */
export function protocolFailure(message: string): UpstreamFailure {
  return new UpstreamFailure("protocol", `Cannot read the response: ${message}`, true);
}

/** One socket to an upstream with its buffer, its deadline and the failure that ended it. */
export class Connection implements Expirable {
  deadlineMs = Infinity;
  readonly socket: Socket;
  /** Unread bytes are `bytes[start, end)`. */
  bytes = new Uint8Array(SMALL_BUFFER_BYTES);
  start = 0;
  end = 0;
  /** Whether content of the present response was lent from the buffer, instead of copied. */
  hasLent = false;
  /** Whether a byte of the present request has been handed to the socket. */
  requestSent = false;
  /** Whether the connection has carried a request before the present one. */
  isReused = false;

  readonly #options: ConnectionOptions;
  #text = Buffer.from(this.bytes.buffer);
  #head = new Uint8Array(WRITE_BUFFER_BYTES);
  #parked: Promise<number | null> | null = null;
  #scannedTo = 0;
  /** End of the bytes received for the present response. */
  #mostBytes = 0;
  #isIdle = false;
  #isClosed = false;
  #failure: UpstreamFailure | null = null;
  #deadlineKind: FailureKind = "idle_timeout";
  readonly #openedAtMs = performance.now();
  #armedAtMs = this.#openedAtMs;

  constructor(options: ConnectionOptions) {
    this.socket = options.socket;
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Age of the connection when its last deadline was set: exact enough, without another look at the clock. */
  get ageMs(): number {
    return this.#armedAtMs - this.#openedAtMs;
  }

  /** Sets the failure for a deadline, unless {@linkcode disarm} comes first. */
  arm(kind: FailureKind, durationMs: number): void {
    if (this.#isClosed) return;
    this.#deadlineKind = kind;
    this.#options.deadlines.arm(this, durationMs);
    this.#armedAtMs = this.deadlineMs - durationMs;
  }

  disarm(): void {
    this.#options.deadlines.disarm(this);
  }

  expire(): void {
    if (this.#isIdle) return this.close();
    const message = `Cannot complete the request to ${this.#options.authority}: no progress in time`;
    this.fail(new UpstreamFailure(this.#deadlineKind, message, this.requestSent));
  }

  /** Closes the connection and makes every operation on it fail with `failure`. */
  fail(failure: UpstreamFailure): void {
    this.#failure ??= failure;
    this.close();
  }

  /** Closes the socket. Idempotent. A pending operation rejects. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isIdle = false;
    this.#options.deadlines.remove(this);
    this.socket.close();
    this.#options.onClose(this);
  }

  /**
   * Parks the connection until its next request. A read stays pending: it shows a close by the upstream at once, and becomes the
   * first read of the next response. It does not keep the process alive.
   */
  park(idleMs: number): void {
    this.#fitBuffer();
    this.start = this.end = 0;
    this.#scannedTo = this.#mostBytes = 0;
    this.hasLent = false;
    this.#isIdle = true;
    this.arm("idle_timeout", idleMs);
    this.#parked = this.socket.read(this.bytes);
    this.socket.unref();
    this.#parked.then(this.#onParkedRead, this.#onParkedRead);
  }

  /** Anything that arrives between two requests is a close, or unsolicited bytes. */
  readonly #onParkedRead = () => {
    if (this.#isIdle) this.close();
  };

  /** Resumes a parked connection. */
  unpark(): void {
    this.#isIdle = false;
    this.disarm();
    this.socket.ref();
  }

  /** Reads more bytes behind the unread ones. `false` at the end of the stream. */
  async fill(): Promise<boolean> {
    if (this.#parked === null) this.#makeRoom();
    const count = await (this.#parked ?? this.socket.read(this.bytes.subarray(this.end)));
    this.#parked = null;
    if (count === null) return false;
    this.end += count;
    if (this.end > this.#mostBytes) this.#mostBytes = this.end;
    return true;
  }

  /**
   * Takes a response's head from the unread bytes; `null` where it is incomplete.
   *
   * @throws {WireError} where it breaks the grammar
   */
  takeHead(): ResponseHead | null {
    const { start, end } = this;
    const headEnd = findHeadEnd(this.bytes, start, end, this.#scannedTo);
    this.#scannedTo = headEnd < 0 ? end : headEnd;
    if (headEnd < 0) return null;
    this.start = headEnd;
    return parseResponseHead(this.#text, start, headEnd);
  }

  /** Writes all of `bytes`. */
  async write(bytes: Uint8Array): Promise<void> {
    this.requestSent = true;
    let written = await this.socket.write(bytes);
    while (written < bytes.length) written += await this.socket.write(bytes.subarray(written));
  }

  /** Writes text of Latin-1 characters. */
  writeText(text: string): Promise<void> {
    if (text.length > this.#head.length) this.#head = new Uint8Array(text.length * 2);
    return this.write(this.#head.subarray(0, writeLatin1(text, this.#head, 0)));
  }

  /** The failure for an operation's error: our own where we closed the socket, else one by the upstream. */
  failureOf(error: unknown): UpstreamFailure {
    if (this.#failure !== null) return this.#failure;
    if (error instanceof UpstreamFailure) return error;
    if (error instanceof WireError) return protocolFailure(error.message);
    const [kind, what]: [FailureKind, string] = this.#isClosed
      ? ["aborted", "the response was given up"]
      : ["reset", "connection reset"];
    const message = `Cannot complete the request to ${this.#options.authority}: ${what}`;
    return new UpstreamFailure(kind, message, this.requestSent, { cause: error });
  }

  #makeRoom(): void {
    if (this.start === this.end) this.start = this.end = this.#scannedTo = 0;
    if (this.end < this.bytes.length) return;
    if (this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
    } else {
      if (this.bytes.length >= MAX_RESPONSE_HEAD_BYTES) {
        throw protocolFailure(`field section over ${MAX_RESPONSE_HEAD_BYTES} bytes`);
      }
      const larger = takeChunkBuffer();
      larger.set(this.bytes);
      this.#useBuffer(larger);
    }
    this.end -= this.start;
    this.#scannedTo -= this.start;
    this.start = 0;
  }

  /**
   * A near upstream sends more at once than the small buffer holds. Where content is lent, a larger buffer saves reads and writes;
   * where it is collected, it would only be copied again.
   */
  #fitBuffer(): void {
    const isLarge = this.bytes.length > SMALL_BUFFER_BYTES;
    const hasUse = this.hasLent && this.#mostBytes >= SMALL_BUFFER_BYTES;
    if (isLarge === hasUse) return;
    if (isLarge) giveChunkBuffer(this.bytes);
    this.#useBuffer(hasUse ? takeChunkBuffer() : new Uint8Array(SMALL_BUFFER_BYTES));
  }

  #useBuffer(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.#text = Buffer.from(bytes.buffer);
  }
}
