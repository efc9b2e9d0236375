import type { BodySource } from "../wire/body_source.ts";
import { CHUNK_END, LAST_CHUNK, lastChunk, MAX_CHUNK_SIZE_BYTES, writeChunkSize } from "../wire/chunked_writer.ts";
import { loopTurns } from "../wire/loop_turns.ts";
import { CHUNK_BYTES, giveChunkBuffer, takeChunkBuffer } from "./_chunk_buffers.ts";
import type { Connection } from "./_connection.ts";
import { type FailureKind, UpstreamFailure } from "./transport.ts";

/** Largest content that fits into a buffer with its chunk framing. */
const MAX_PIECE_BYTES = CHUNK_BYTES - MAX_CHUNK_SIZE_BYTES - CHUNK_END.length;

/** The part of an exchange that an {@linkcode Upload} needs. */
export interface UploadOptions {
  readonly connection: Connection;
  readonly body: BodySource;
  /** Whose turns of the event loop it takes. */
  readonly lane: string;
  /** Sets the deadline of the next step, and the kind of its failure. */
  readonly arm: (kind: FailureKind) => void;
}

/** A failure of the body's source, which says nothing of the upstream. */
function feederFailure(what: string, cause?: unknown): UpstreamFailure {
  return new UpstreamFailure("aborted", `Cannot send the request body: ${what}`, true, { cause });
}

/** Sends a request body chunk by chunk, with back-pressure. */
export class Upload {
  readonly #options: UploadOptions;
  #isSent = false;
  #isStopped = false;
  #takenBytes = 0;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  /** Whether the request is complete on the wire. Its source is drained all the same. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /**
   * Sends until the body ends, the upstream reads no more or {@linkcode stop} is called. Never rejects: a failing source fails the
   * connection; an upstream that stopped reading may still have answered.
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

  /** Stops sending and releases the body's source. Safe to call at any time. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (!this.#isSent) this.#options.body.cancel();
  }

  async #pump(): Promise<void> {
    const { connection, body, arm } = this.#options;
    for (let chunk = await this.#next(); chunk !== null; chunk = await this.#next()) {
      // An empty chunk would end a chunked body.
      if (chunk.length === 0) continue;
      arm("idle_timeout");
      if (body.lengthBytes === null) await this.#sendFramed(chunk);
      else await connection.write(chunk);
      this.#isSent = this.#takenBytes === body.lengthBytes;
    }
    if (this.#isStopped) return;
    if (body.lengthBytes === null) await this.#sendEnd();
    this.#isSent = true;
  }

  /** The next chunk, checked against the announced length; `null` at the end or once stopped. */
  async #next(): Promise<Uint8Array | null> {
    if (this.#isStopped) return null;
    const { body, arm } = this.#options;
    arm(this.#isSent ? "first_byte_timeout" : "aborted");
    let chunk: Uint8Array | null;
    try {
      chunk = await body.read();
    } catch (error) {
      throw feederFailure("its source failed", error);
    }
    if (chunk !== null) await loopTurns.step(this.#options.lane, chunk.length);
    if (this.#isStopped) {
      body.cancel();
      return null;
    }
    this.#takenBytes += chunk?.length ?? 0;
    const { lengthBytes } = body;
    if (lengthBytes === null) return chunk;
    if (this.#takenBytes > lengthBytes) throw feederFailure(`longer than its ${lengthBytes} bytes`);
    if (chunk === null && this.#takenBytes < lengthBytes) throw feederFailure(`shorter than its ${lengthBytes} bytes`);
    return chunk;
  }

  /** Sends chunks of our own size, each with its framing in one write. */
  async #sendFramed(content: Uint8Array): Promise<void> {
    const buffer = takeChunkBuffer();
    for (let at = 0; at < content.length; at += MAX_PIECE_BYTES) {
      const piece = content.subarray(at, at + MAX_PIECE_BYTES);
      const pieceStart = writeChunkSize(piece.length, buffer, 0);
      buffer.set(piece, pieceStart);
      buffer.set(CHUNK_END, pieceStart + piece.length);
      await this.#options.connection.write(buffer.subarray(0, pieceStart + piece.length + CHUNK_END.length));
    }
    giveChunkBuffer(buffer);
  }

  async #sendEnd(): Promise<void> {
    const { connection, body } = this.#options;
    const trailers = body.trailers ?? null;
    if (trailers === null) return await connection.write(LAST_CHUNK);
    let text: string;
    try {
      text = lastChunk(trailers);
    } catch (error) {
      throw feederFailure("its trailers cannot be written", error);
    }
    await connection.writeText(text);
  }
}
