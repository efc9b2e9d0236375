import type { BodyFraming } from "./_body_framing.ts";
import { ChunkedDecoder } from "./_chunked_decoder.ts";
import type { Connection } from "./_connection.ts";
import { type UpstreamBody, UpstreamFailure } from "./transport.ts";

/** The most that one read takes from the socket. */
const MAX_CHUNK_BYTES = 64 * 1024;

/** The exchange that a body belongs to. */
export interface BodyOwner {
  readonly connection: Connection;
  readonly idleMs: number;
  /** The body has ended as it should: the connection may go back to the pool. */
  complete(): void;
  /** Ends the exchange with the failure that `error` stands for, closes the connection and returns the failure. */
  fail(error: unknown): UpstreamFailure;
}

function failure(kind: "truncated" | "too_large" | "aborted", message: string): UpstreamFailure {
  return new UpstreamFailure(kind, `Cannot read the response body: ${message}`, true);
}

/** An array of `bytes[0, count)` that does not hold much more memory than it shows. */
function trimmed(bytes: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer> {
  return count * 2 < bytes.length ? bytes.slice(0, count) : bytes.subarray(0, count);
}

function joined(chunks: readonly Uint8Array[], lengthBytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(lengthBytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** A body that came whole with its field section; its connection is already free. */
class BufferedBody implements UpstreamBody {
  #bytes: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>, readonly lengthBytes: number | null) {
    this.#bytes = bytes;
  }

  read(): Promise<Uint8Array | null> {
    const bytes = this.#take();
    return Promise.resolve(bytes.length === 0 ? null : bytes);
  }

  readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.#take();
    if (bytes.length <= limitBytes) return Promise.resolve(bytes);
    return Promise.reject(failure("too_large", `over ${limitBytes} bytes`));
  }

  cancel(): void {
    this.#take();
  }

  #take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes;
    this.#bytes = new Uint8Array(0);
    return bytes;
  }
}

/** The content of a body, of which at least a part is still to come over the socket. */
interface Source {
  readonly lengthBytes: number | null;
  /** Whether the last byte has been handed out. */
  readonly isComplete: boolean;
  /** The next content; `null` where the end came without any. */
  next(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The rest in one array, where it can be had with less copying than by {@linkcode next}. */
  collect?(limitBytes: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** A body that is read off its connection as it is asked for. */
class SocketBody implements UpstreamBody {
  readonly #owner: BodyOwner;
  readonly #source: Source;
  #isReading = false;
  #isEnded = false;
  #failure: UpstreamFailure | null = null;

  constructor(owner: BodyOwner, source: Source) {
    this.#owner = owner;
    this.#source = source;
  }

  get lengthBytes(): number | null {
    return this.#source.lengthBytes;
  }

  read(): Promise<Uint8Array | null> {
    return this.#exclusively(() => this.#next());
  }

  readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#exclusively(() => this.#source.collect?.(limitBytes) ?? this.#collect(limitBytes));
  }

  cancel(): void {
    if (this.#isEnded || this.#failure !== null) return;
    this.#failure = this.#owner.fail(failure("aborted", "given up by its reader"));
  }

  async #next(): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#source.isComplete ? null : await this.#source.next();
  }

  async #collect(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array[] = [];
    let lengthBytes = 0;
    for (let chunk = await this.#next(); chunk !== null; chunk = await this.#next()) {
      lengthBytes += chunk.length;
      if (lengthBytes > limitBytes) throw failure("too_large", `over ${limitBytes} bytes`);
      chunks.push(chunk);
    }
    return joined(chunks, lengthBytes);
  }

  async #exclusively<T>(action: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isReading) throw new TypeError("Cannot read the response body: another read is under way");
    this.#isReading = true;
    try {
      const result = await action();
      this.#settle();
      return result;
    } catch (error) {
      this.#failure ??= this.#owner.fail(error);
      throw this.#failure;
    } finally {
      this.#isReading = false;
    }
  }

  /** Between two reads no deadline runs: a slow reader is no fault of the upstream. */
  #settle(): void {
    if (this.#isEnded) return;
    if (!this.#source.isComplete) return this.#owner.connection.disarm();
    this.#isEnded = true;
    this.#owner.complete();
  }
}

/** Content of a known length (RFC 9112 §6.2). */
class LengthSource implements Source {
  readonly lengthBytes: number;
  readonly #owner: BodyOwner;
  #remainingBytes: number;

  constructor(owner: BodyOwner, lengthBytes: number) {
    this.#owner = owner;
    this.lengthBytes = lengthBytes;
    this.#remainingBytes = lengthBytes;
  }

  get isComplete(): boolean {
    return this.#remainingBytes === 0;
  }

  async next(): Promise<Uint8Array<ArrayBuffer>> {
    const buffered = takeBuffered(this.#owner.connection, this.#remainingBytes);
    this.#remainingBytes -= buffered.length;
    if (buffered.length > 0) return buffered.slice();
    const target = new Uint8Array(Math.min(this.#remainingBytes, MAX_CHUNK_BYTES));
    return trimmed(target, await this.#readInto(target));
  }

  /** One array, allocated once and filled by the socket itself. */
  async collect(limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#remainingBytes > limitBytes) throw failure("too_large", `over ${limitBytes} bytes`);
    const whole = new Uint8Array(this.#remainingBytes);
    const buffered = takeBuffered(this.#owner.connection, this.#remainingBytes);
    this.#remainingBytes -= buffered.length;
    whole.set(buffered);
    for (let at = buffered.length; at < whole.length;) at += await this.#readInto(whole.subarray(at));
    return whole;
  }

  async #readInto(target: Uint8Array): Promise<number> {
    const count = await readSocket(this.#owner, target);
    if (count === null) {
      throw failure("truncated", `${this.#remainingBytes} of ${this.lengthBytes} bytes missing`);
    }
    this.#remainingBytes -= count;
    return count;
  }
}

/** Content in the chunked transfer coding (RFC 9112 §7.1). */
class ChunkedSource implements Source {
  readonly lengthBytes = null;
  readonly #owner: BodyOwner;
  readonly #decoder = new ChunkedDecoder();
  #ready: Uint8Array<ArrayBuffer> | null;

  constructor(owner: BodyOwner) {
    this.#owner = owner;
    this.#ready = this.#decodeBuffered();
  }

  get isComplete(): boolean {
    return this.#decoder.isDone;
  }

  /** The whole content, where it came with the field section. */
  takeWhole(): Uint8Array<ArrayBuffer> | null {
    return this.#decoder.isDone ? this.#ready ?? new Uint8Array(0) : null;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const { connection, idleMs } = this.#owner;
    let content = this.#ready;
    this.#ready = null;
    while (content === null && !this.#decoder.isDone) {
      connection.arm("idle_timeout", idleMs);
      if (!(await connection.fill())) throw failure("truncated", "the last chunk is missing");
      content = this.#decodeBuffered();
    }
    return content;
  }

  #decodeBuffered(): Uint8Array<ArrayBuffer> | null {
    const { connection } = this.#owner;
    const { bytes, start } = connection;
    const contentEnd = this.#decoder.decode(bytes, start, connection.end);
    connection.start = this.#decoder.consumedEnd;
    return contentEnd === start ? null : bytes.slice(start, contentEnd);
  }
}

/** Content that the end of the connection ends (RFC 9112 §6.3, last rule). */
class CloseSource implements Source {
  readonly lengthBytes = null;
  isComplete = false;
  readonly #owner: BodyOwner;

  constructor(owner: BodyOwner) {
    this.#owner = owner;
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const buffered = takeBuffered(this.#owner.connection, Infinity);
    if (buffered.length > 0) return buffered.slice();
    const target = new Uint8Array(MAX_CHUNK_BYTES);
    const count = await readSocket(this.#owner, target);
    this.isComplete = count === null;
    return count === null ? null : trimmed(target, count);
  }
}

/** Up to `limitBytes` of what the connection has read ahead, in its own memory. */
function takeBuffered(connection: Connection, limitBytes: number): Uint8Array<ArrayBuffer> {
  const { start, end, bytes } = connection;
  connection.start = Math.min(end, start + limitBytes);
  return bytes.subarray(start, connection.start);
}

function readSocket({ connection, idleMs }: BodyOwner, target: Uint8Array): Promise<number | null> {
  connection.arm("idle_timeout", idleMs);
  return connection.readInto(target);
}

/** A body that needs nothing more of the connection, which is given back. */
function bufferedBody(owner: BodyOwner, bytes: Uint8Array<ArrayBuffer>, lengthBytes: number | null): UpstreamBody {
  owner.complete();
  return new BufferedBody(bytes, lengthBytes);
}

/**
 * The body that follows a field section. Where all of it has arrived already, it is taken out at once and the connection is
 * free before the caller has looked at the response.
 *
 * @throws {UpstreamFailure} `protocol` where the first chunks are malformed
 */
export function openBody(owner: BodyOwner, framing: BodyFraming): UpstreamBody {
  const { connection } = owner;
  const lengthBytes = framing.lengthBytes ?? 0;
  switch (framing.kind) {
    case "none":
      return bufferedBody(owner, new Uint8Array(0), 0);
    case "length": {
      const isWhole = connection.end - connection.start >= lengthBytes;
      if (!isWhole) return new SocketBody(owner, new LengthSource(owner, lengthBytes));
      return bufferedBody(owner, takeBuffered(connection, lengthBytes).slice(), lengthBytes);
    }
    case "close":
      return new SocketBody(owner, new CloseSource(owner));
    case "chunked": {
      const source = new ChunkedSource(owner);
      const whole = source.takeWhole();
      return whole === null ? new SocketBody(owner, source) : bufferedBody(owner, whole, null);
    }
  }
}
