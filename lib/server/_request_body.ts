import type { Fields } from "../http/fields.ts";
import type { BodySource } from "../wire/body_source.ts";
import { ChunkedDecoder } from "../wire/chunked_decoder.ts";
import type { RequestFraming } from "../wire/request_head.ts";
import { TruncatedMessage } from "../wire/wire_error.ts";
import type { Input, Watcher } from "./_input.ts";
import type { Memory } from "./_memory.ts";

/** What content needs of the connection that it comes over, which hears of its end too. */
export interface BodyLink extends Watcher {
  readonly input: Input;
  /** The client waits for `100 Continue`: sends it. Called before the first read. */
  onWanted(): void;
  /** A read begins that may last so long (a deadline), or has ended (`Infinity`). */
  awaitBody(dueMs: number): void;
  /** The deadline of a read, by what has come and how long that was waited for. */
  bodyDue(receivedBytes: number, waitedMs: number): number;
  /** Milliseconds of a clock that only goes forward. */
  nowMs(): number;
  /** What came has been handed out: the connection may read on by itself, to see its client's end. */
  onLent(): void;
}

/** The content of a request, taken off its connection as it is asked for (RFC 9112 §6). */
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
  /** Why nobody may read it any more. */
  #error: unknown = null;
  #isLent = false;
  /** Holds what was lent last, where the connection has left it. */
  #held: Memory | null = null;
  #reading: Promise<Uint8Array | null> | null = null;
  #reject: ((error: unknown) => void) | null = null;

  /** `framing` is that of a message with content. */
  constructor(framing: RequestFraming, link: BodyLink) {
    this.#link = link;
    this.lengthBytes = framing.lengthBytes;
    this.#restBytes = framing.lengthBytes ?? Infinity;
    this.#decoder = framing.kind === "chunked" ? new ChunkedDecoder() : null;
  }

  /** Whether all of it has come and been taken off the connection. */
  get isComplete(): boolean {
    return this.#decoder === null ? this.#restBytes === 0 : this.#decoder.isDone;
  }

  /** Bytes that are still to come; `Infinity` where nobody knows. */
  get restBytes(): number {
    return this.isComplete ? 0 : this.#restBytes;
  }

  /** Whether anybody has asked for it. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Whether it cannot be taken off the connection any more. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Whether what was lent last may still be in use. */
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
    this.#turnAway(new Error("The content was given up"));
  }

  /** Ends it before its time: the read under way and all later ones reject. */
  fail(error: unknown): void {
    if (this.isComplete) return;
    this.#isBroken = true;
    this.#turnAway(error);
  }

  /** Takes off the connection what nobody has read. Answers whether that was all, and within the bound. */
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

  /** Settles once no read is under way. */
  async idle(): Promise<void> {
    await this.#reading?.catch(() => {});
  }

  #release(): void {
    this.#held?.release();
    this.#held = null;
  }

  #turnAway(error: unknown): void {
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

  /** The next content. It goes on when its reader has been turned away: the read below it cannot be taken back. */
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

  /** Content that is there, `null` at the end, `undefined` where more has to come. */
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
