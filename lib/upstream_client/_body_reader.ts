import type { Fields } from "../http/fields.ts";
import { ChunkedDecoder } from "../wire/chunked_decoder.ts";
import { loopTurns } from "../wire/loop_turns.ts";
import type { ResponseFraming } from "../wire/response_head.ts";
import { CHUNK_BYTES, giveChunkBuffer, takeChunkBuffer } from "./_chunk_buffers.ts";
import type { Connection } from "./_connection.ts";
import { type ContentMeter, type UpstreamBody, UpstreamFailure } from "./transport.ts";

/** The exchange that a body belongs to. */
export interface BodyOwner {
  readonly connection: Connection;
  readonly idleMs: number;
  readonly meter?: ContentMeter;
  readonly lane: string;
  /** The body is complete; unless more bytes came with it, the connection may go back to the pool. */
  complete(isClean: boolean): void;
  /** Ends the exchange, closes the connection and returns the failure for `error`. */
  fail(error: unknown): UpstreamFailure;
}

const BUSY = "Cannot read the response body: another read is under way";
const EMPTY = new Uint8Array(0);

function failure(kind: "truncated" | "too_large" | "aborted", message: string): UpstreamFailure {
  return new UpstreamFailure(kind, `Cannot read the response body: ${message}`, true);
}

/** A body that is read from its connection on demand. Content that came with the field section is taken at once. */
class SocketBody implements UpstreamBody {
  readonly lengthBytes: number | null;
  readonly #owner: BodyOwner;
  readonly #decoder: ChunkedDecoder | null;
  /** Content that is still to come; `Infinity` where its length is not stated. */
  #remainingBytes: number;
  /** End of the bytes that belong to the body. */
  #takenEnd = 0;
  /** Content that came with the field section and has not been handed out. */
  #ready: Uint8Array<ArrayBuffer> | null;
  /** Holds the chunk that was lent last. */
  #buffer: Uint8Array<ArrayBuffer> | null = null;
  #isReading = false;
  #isEnded = false;
  #failure: UpstreamFailure | null = null;

  /** @throws {WireError} where the first chunks are malformed */
  constructor(owner: BodyOwner, { kind, lengthBytes }: ResponseFraming) {
    this.lengthBytes = lengthBytes;
    this.#owner = owner;
    this.#remainingBytes = lengthBytes ?? Infinity;
    this.#decoder = kind === "chunked" ? new ChunkedDecoder({ allowsPaddedSize: true }) : null;
    const { connection } = owner;
    const content = this.#take(connection.bytes, connection.start, connection.end);
    connection.start = this.#takenEnd;
    // A connection that is free reads the next response into this memory.
    this.#ready = this.#remainingBytes === 0 ? content.slice() : content;
    if (this.#remainingBytes === 0) this.#end(true);
  }

  get whole(): Uint8Array<ArrayBuffer> | null {
    return this.#isEnded ? this.#ready : null;
  }

  get trailers(): Readonly<Fields> | null {
    return this.#isEnded && this.#decoder !== null ? this.#decoder.trailers : null;
  }

  async lend(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isReading) throw new TypeError(BUSY);
    let content = this.#ready ?? EMPTY;
    this.#ready = null;
    if (content.length > 0) {
      this.#owner.connection.hasLent ||= !this.#isEnded;
      return content;
    }
    if (this.#isEnded) return this.#giveBuffer();
    const buffer = this.#buffer ??= takeChunkBuffer();
    const { connection, idleMs } = this.#owner;
    this.#isReading = true;
    try {
      do {
        connection.arm("idle_timeout", idleMs);
        const target = buffer.subarray(0, Math.min(this.#remainingBytes, CHUNK_BYTES));
        content = this.#receive(buffer, 0, await connection.socket.read(target));
        await this.#turn(content.length);
      } while (content.length === 0 && !this.#isEnded);
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#isReading = false;
    }
    return content.length > 0 ? content : this.#giveBuffer();
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const { whole } = this;
    const lent = await this.lend();
    if (lent === null || whole !== null) return lent;
    const chunk = lent.slice();
    if (this.#isEnded) this.#giveBuffer();
    return chunk;
  }

  async readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#failure !== null) throw this.#failure;
    const leastBytes = (this.#ready?.length ?? 0) + (this.lengthBytes === null ? 0 : this.#remainingBytes);
    if (leastBytes > limitBytes) throw this.#fail(failure("too_large", `over ${limitBytes} bytes`));
    const { whole } = this;
    this.#ready = whole === null ? this.#ready : null;
    return whole ??
      await (this.lengthBytes === null ? this.#collect(limitBytes) : this.#fill(new Uint8Array(leastBytes)));
  }

  cancel(): void {
    if (this.#isEnded) this.#ready = null;
    else this.#fail(failure("aborted", "given up by its reader"));
  }

  /** Reads content of a stated length into its final place. */
  async #fill(whole: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#isReading) throw new TypeError(BUSY);
    if (this.#ready !== null) whole.set(this.#ready);
    this.#ready = null;
    const { connection, idleMs } = this.#owner;
    this.#isReading = true;
    try {
      while (!this.#isEnded) {
        connection.arm("idle_timeout", idleMs);
        const at = whole.length - this.#remainingBytes;
        const content = this.#receive(whole, at, await connection.socket.read(whole.subarray(at)));
        await this.#turn(content.length);
      }
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#isReading = false;
    }
    return whole;
  }

  async #collect(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array[] = [];
    let lengthBytes = 0;
    for (let chunk = await this.lend(); chunk !== null; chunk = await this.lend()) {
      lengthBytes += chunk.length;
      if (lengthBytes > limitBytes) throw this.#fail(failure("too_large", `over ${limitBytes} bytes`));
      chunks.push(chunk.slice());
    }
    const whole = new Uint8Array(lengthBytes);
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  /** What waits for the loop, or for a slow reader, is not the upstream's fault: no deadline runs between reads. */
  async #turn(bytes: number): Promise<void> {
    if (!this.#isEnded) this.#owner.connection.disarm();
    await loopTurns.step(this.#owner.lane, bytes);
    if (this.#failure !== null) throw this.#failure;
  }

  /** The content in `count` bytes read to `bytes` at `start`; `null` for the end of the stream. */
  #receive(bytes: Uint8Array<ArrayBuffer>, start: number, count: number | null): Uint8Array<ArrayBuffer> {
    if (count !== null) {
      const content = this.#take(bytes, start, start + count);
      if (this.#remainingBytes === 0) this.#end(this.#takenEnd === start + count);
      return content;
    }
    if (this.#decoder !== null) throw failure("truncated", "the last chunk is missing");
    if (this.lengthBytes !== null) {
      throw failure("truncated", `${this.#remainingBytes} of ${this.lengthBytes} bytes missing`);
    }
    this.#end(false);
    return EMPTY;
  }

  /** Removes the framing from `bytes[start, end)` in place (RFC 9112 §6.2, §7.1). */
  #take(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): Uint8Array<ArrayBuffer> {
    const decoder = this.#decoder;
    let contentEnd: number;
    if (decoder === null) {
      contentEnd = this.#takenEnd = Math.min(end, start + this.#remainingBytes);
      this.#remainingBytes -= contentEnd - start;
    } else {
      contentEnd = decoder.decode(bytes, start, end);
      this.#takenEnd = decoder.consumedEnd;
      if (decoder.isDone) this.#remainingBytes = 0;
    }
    if (this.#owner.meter !== undefined) this.#owner.meter.receivedBytes += contentEnd - start;
    return bytes.subarray(start, contentEnd);
  }

  #end(isClean: boolean): void {
    this.#isEnded = true;
    this.#owner.complete(isClean);
  }

  /** Gives the buffer back at the end, when the last lent chunk is no longer used. */
  #giveBuffer(): null {
    if (this.#buffer !== null) giveChunkBuffer(this.#buffer);
    this.#buffer = null;
    return null;
  }

  /** The buffer is not reused: a read may still be writing to it. */
  #fail(error: unknown): UpstreamFailure {
    this.#buffer = this.#ready = null;
    return this.#failure ??= this.#owner.fail(error);
  }
}

/**
 * Opens the body behind a field section. Where all of it has arrived, it is taken at once and the connection is free before the
 * caller sees the response.
 *
 * @throws {WireError} where the first chunks are malformed
 */
export function openBody(owner: BodyOwner, framing: ResponseFraming): UpstreamBody {
  return new SocketBody(owner, framing);
}
