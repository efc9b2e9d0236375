import type { Fields } from "../http/fields.ts";
import type { BodySource } from "../wire/body_source.ts";
import { ChunkedDecoder } from "../wire/chunked_decoder.ts";
import type { RequestFraming } from "../wire/request_head.ts";
import { TruncatedMessage } from "../wire/wire_error.ts";
import type { Input, Watcher } from "./_input.ts";
import type { Memory } from "./_memory.ts";

/** The part of a connection that its request content needs; it is notified of the client's end. */
export interface BodyLink extends Watcher {
  readonly input: Input;
  /** The client waits for `100 Continue`: sends it. Called before the first read. */
  onWanted(): void;
  /** Sets the deadline of a read; `Infinity` when it has ended. */
  awaitBody(dueMs: number): void;
  /** The deadline of the next read, by the bytes received and the time waited so far. */
  bodyDue(receivedBytes: number, waitedMs: number): number;
  /** Milliseconds of a monotonic clock. */
  nowMs(): number;
  /** A chunk was handed out: the connection may read ahead, to notice its client's end. */
  onLent(): void;
}

/** The content of a request, read from its connection on demand (RFC 9112 §6). */
export class RequestBody implements BodySource {
  readonly lengthBytes: number | null;
  trailers: Readonly<Fields> | null = null;
  readonly #link: BodyLink;
  readonly #decoder: ChunkedDecoder | null;
  #restBytes: number;
  #receivedBytes = 0;
  #waitedMs = 0;
  #isWanted = false;
  #isBroken = false;
  /** The error of all further reads. */
  #error: unknown = null;
  #isLent = false;
  /** The buffer of the last chunk, where the connection no longer uses it. */
  #held: Memory | null = null;
  #reading: Promise<Uint8Array | null> | null = null;
  #reject: ((error: unknown) => void) | null = null;

  /** `framing` must be that of a message with content. */
  constructor(framing: RequestFraming, link: BodyLink) {
    this.#link = link;
    this.lengthBytes = framing.lengthBytes;
    this.#restBytes = framing.lengthBytes ?? Infinity;
    this.#decoder = framing.kind === "chunked" ? new ChunkedDecoder() : null;
  }

  /** Whether all of it was read from the connection. */
  get isComplete(): boolean {
    return this.#decoder === null ? this.#restBytes === 0 : this.#decoder.isDone;
  }

  /** Missing bytes; `Infinity` where the length is unknown. */
  get restBytes(): number {
    return this.isComplete ? 0 : this.#restBytes;
  }

  /** Whether a handler has asked for it. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Whether the rest cannot be read from the connection. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Whether the last chunk may still be in use. */
  get isLent(): boolean {
    return this.#isLent;
  }

  read(): Promise<Uint8Array | null> {
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#reading !== null) return Promise.reject(new TypeError("Cannot read content while a read is pending"));
    this.#isLent = false;
    this.#release();
    if (!this.#isWanted) {
      this.#isWanted = true;
      if (!this.isComplete) this.#link.onWanted();
    }
    try {
      const chunk = this.#lend();
      if (chunk !== undefined) return Promise.resolve(this.#handOut(chunk));
    } catch (error) {
      return Promise.reject(this.#break(error));
    }
    return this.#readLater();
  }

  cancel(): void {
    this.#rejectReads(new Error("The content was given up"));
  }

  /** Fails it early: the pending read and all later ones reject. */
  fail(error: unknown): void {
    if (this.isComplete) return;
    this.#isBroken = true;
    this.#rejectReads(error);
  }

  /** Skips the unread rest. Answers whether it ended within `maxBytes`. */
  async drain(maxBytes: number): Promise<boolean> {
    await this.idle();
    const bound = this.#receivedBytes + maxBytes;
    try {
      for (let chunk = this.#lend(); chunk !== null && this.#receivedBytes <= bound; chunk = this.#lend()) {
        if (chunk === undefined) await this.#receive();
      }
    } catch (error) {
      this.#break(error);
    }
    if (!this.#isLent) this.#release();
    return this.isComplete && !this.#isBroken;
  }

  /** Settles once no read is pending. */
  async idle(): Promise<void> {
    await this.#reading?.catch(() => {});
  }

  #release(): void {
    this.#held?.release();
    this.#held = null;
  }

  #rejectReads(error: unknown): void {
    this.#error ??= error;
    this.#reject?.(this.#error);
  }

  #break(error: unknown): unknown {
    this.#isBroken = true;
    return this.#error ??= error;
  }

  #handOut(chunk: Uint8Array | null): Uint8Array | null {
    this.#isLent = chunk !== null;
    if (chunk === null) this.#release();
    this.#link.onLent();
    return chunk;
  }

  async #readLater(): Promise<Uint8Array | null> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | null>();
    this.#reject = reject;
    this.#reading = this.#next();
    this.#reading.then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#reject = null;
    }
  }

  /** The next chunk. It goes on after its reader was rejected: the read of the connection cannot be cancelled. */
  async #next(): Promise<Uint8Array | null> {
    try {
      for (;;) {
        await this.#receive();
        const chunk = this.#lend();
        if (chunk !== undefined) return this.#error === null ? this.#handOut(chunk) : null;
      }
    } catch (error) {
      throw this.#break(error);
    } finally {
      this.#reading = null;
    }
  }

  /** Reads more from the connection. */
  async #receive(): Promise<void> {
    const link = this.#link;
    const { input } = link;
    input.prepareContent(this.#restBytes);
    const begunMs = link.nowMs();
    link.awaitBody(link.bodyDue(this.#receivedBytes, this.#waitedMs));
    let count: number | null;
    try {
      count = await input.read();
    } catch (error) {
      link.onBroken();
      throw error;
    } finally {
      link.awaitBody(Infinity);
    }
    this.#waitedMs += link.nowMs() - begunMs;
    if (input.took(count)) {
      this.#receivedBytes += count ?? 0;
      return;
    }
    link.onEnded();
    throw new TruncatedMessage("Content that stops before its end");
  }

  /** A chunk of the bytes received, `null` at the end, `undefined` where a read is needed. */
  #lend(): Uint8Array | null | undefined {
    if (this.isComplete) return null;
    const { input } = this.#link;
    if (input.length === 0) return undefined;
    const { start, memory: { bytes } } = input;
    const contentEnd = this.#take(bytes);
    if (this.isComplete) {
      this.trailers = this.#decoder?.trailers ?? null;
      this.#held = input.leave();
    }
    if (contentEnd === start) return this.isComplete ? null : undefined;
    return bytes.subarray(start, contentEnd);
  }

  #take(bytes: Uint8Array): number {
    const { input } = this.#link;
    const { start, end } = input;
    if (this.#decoder === null) {
      const count = Math.min(this.#restBytes, end - start);
      this.#restBytes -= count;
      input.use(count);
      return start + count;
    }
    const contentEnd = this.#decoder.decode(bytes, start, end);
    input.use(this.#decoder.consumedEnd - start);
    return contentEnd;
  }
}
