import type { Connection } from "./_connection.ts";
import { type FailureKind, type RequestBody, UpstreamFailure } from "./transport.ts";

/** Up to here a chunk is copied between its framing so that it costs one write. */
const MAX_JOINED_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const CRLF = encoder.encode("\r\n");
const LAST_CHUNK = encoder.encode("0\r\n\r\n");

/** What an {@linkcode Upload} needs to know of its exchange. */
export interface UploadOptions {
  readonly connection: Connection;
  readonly body: RequestBody;
  /** Sets the deadline of the next step, of the kind with which it fails. */
  readonly arm: (kind: FailureKind) => void;
}

/** A failure by the side that feeds the body: nothing is said of the upstream. */
function feederFailure(what: string, cause?: unknown): UpstreamFailure {
  return new UpstreamFailure("aborted", `Cannot send the request body: ${what}`, true, { cause });
}

/** Sends a request body, chunk by chunk as the socket takes it. */
export class Upload {
  /** Whether the whole body has been written. */
  isDone = false;
  readonly #options: UploadOptions;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #isStopped = false;
  #sentBytes = 0;

  constructor(options: UploadOptions) {
    this.#options = options;
    this.#reader = options.body.stream.getReader();
  }

  /**
   * Sends until the body ends, the upstream takes no more or {@linkcode stop} is called. Never rejects: a fault of the body
   * fails the connection; an upstream that stopped reading may still have answered, so the answer decides.
   */
  async run(): Promise<void> {
    try {
      await this.#pump();
    } catch (error) {
      if (error instanceof UpstreamFailure && error.kind === "aborted") this.#options.connection.fail(error);
      this.stop();
    }
    this.#options.arm("first_byte_timeout");
  }

  /** Sends no more and lets go of the body's source. Safe to call at any time. */
  stop(): void {
    if (this.isDone || this.#isStopped) return;
    this.#isStopped = true;
    this.#reader.cancel().catch(() => {});
  }

  async #pump(): Promise<void> {
    for (let chunk = await this.#next(); chunk !== null; chunk = await this.#next()) {
      if (chunk.length === 0) continue;
      this.#options.arm("idle_timeout");
      await this.#send(chunk);
    }
    if (this.#isStopped) return;
    if (this.#options.body.lengthBytes === null) await this.#options.connection.write(LAST_CHUNK);
    this.isDone = true;
  }

  /** The next chunk, checked against the announced length; `null` at the end or once stopped. */
  async #next(): Promise<Uint8Array | null> {
    if (this.#isStopped) return null;
    this.#options.arm("aborted");
    const chunk = await this.#read();
    if (this.#isStopped) return null;
    this.#sentBytes += chunk?.length ?? 0;
    const { lengthBytes } = this.#options.body;
    if (lengthBytes === null) return chunk;
    if (this.#sentBytes > lengthBytes) throw feederFailure(`longer than its ${lengthBytes} bytes`);
    if (chunk === null && this.#sentBytes < lengthBytes) throw feederFailure(`shorter than its ${lengthBytes} bytes`);
    return chunk;
  }

  async #read(): Promise<Uint8Array | null> {
    try {
      const { done, value } = await this.#reader.read();
      return done ? null : value;
    } catch (error) {
      throw feederFailure("its source failed", error);
    }
  }

  /** An empty chunk would end the body, which is why {@linkcode run} passes none on. */
  async #send(chunk: Uint8Array): Promise<void> {
    const { connection, body } = this.#options;
    if (body.lengthBytes !== null) return await connection.write(chunk);
    const size = encoder.encode(`${chunk.length.toString(16)}\r\n`);
    if (chunk.length <= MAX_JOINED_BYTES) return await connection.write(framed(size, chunk));
    await connection.write(size);
    await connection.write(chunk);
    await connection.write(CRLF);
  }
}

function framed(size: Uint8Array, chunk: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(size.length + chunk.length + CRLF.length);
  bytes.set(size);
  bytes.set(chunk, size.length);
  bytes.set(CRLF, size.length + chunk.length);
  return bytes;
}
