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
  readonly #options: UploadOptions;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #isSent = false;
  #isStopped = false;
  #takenBytes = 0;

  constructor(options: UploadOptions) {
    this.#options = options;
    this.#reader = options.body.stream.getReader();
  }

  /** Whether the request is complete on the wire. Its source is read to the end all the same, to leave nothing behind there. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /**
   * Sends until the body ends, the upstream takes no more or {@linkcode stop} is called. Never rejects: a fault of the body
   * fails the connection; an upstream that stopped reading may still have answered, so the answer decides.
   */
  async run(): Promise<void> {
    try {
      await this.#pump();
    } catch (error) {
      if (this.#isStopped) return;
      if (error instanceof UpstreamFailure && error.kind === "aborted") this.#options.connection.fail(error);
      this.stop();
    }
    this.#options.arm("first_byte_timeout");
  }

  /** Sends no more and lets go of the body's source. Safe to call at any time. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (!this.#isSent) this.#letGo();
  }

  #letGo(): void {
    this.#reader.cancel().catch(() => {});
  }

  async #pump(): Promise<void> {
    const { connection, body, arm } = this.#options;
    for (let chunk = await this.#next(); chunk !== null; chunk = await this.#next()) {
      // An empty chunk would end a chunked body.
      if (chunk.length === 0) continue;
      arm("idle_timeout");
      await this.#send(chunk);
      this.#isSent = this.#takenBytes === body.lengthBytes;
    }
    if (this.#isStopped) return;
    if (body.lengthBytes === null) await connection.write(LAST_CHUNK);
    this.#isSent = true;
  }

  /** The next chunk, checked against the announced length; `null` at the end or once stopped. */
  async #next(): Promise<Uint8Array | null> {
    if (this.#isStopped) return null;
    this.#options.arm(this.#isSent ? "first_byte_timeout" : "aborted");
    const chunk = await this.#read();
    if (this.#isStopped) {
      this.#letGo();
      return null;
    }
    this.#takenBytes += chunk?.length ?? 0;
    const { lengthBytes } = this.#options.body;
    if (lengthBytes === null) return chunk;
    if (this.#takenBytes > lengthBytes) throw feederFailure(`longer than its ${lengthBytes} bytes`);
    if (chunk === null && this.#takenBytes < lengthBytes) throw feederFailure(`shorter than its ${lengthBytes} bytes`);
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
