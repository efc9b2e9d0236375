import type { Fields } from "../http/fields.ts";
import type { BodySource } from "../wire/body_source.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import { CHUNK_END, LAST_CHUNK, lastChunk, MAX_CHUNK_SIZE_BYTES, writeChunkSize } from "../wire/chunked_writer.ts";
import { writeLatin1 } from "../wire/head_writer.ts";
import { loopTurns } from "../wire/loop_turns.ts";
import { type Memory, takeMemory } from "./_memory.ts";
import {
  contentLength,
  framingOf,
  hasContent,
  headRoom,
  isSource,
  type ReplyFraming,
  type RequestTraits,
  restOfHead,
  writeHead,
} from "./_reply_head.ts";
import type { ContentSender, UnsentContent } from "./_unsent_content.ts";
import type { Reply } from "./reply.ts";

/** A reply up to this size is copied into one write; above, a second write costs less than the copy. */
const ONE_WRITE_BYTES = 32 * 1024;
/** Content of a larger reply that is sent with its head. */
const WITH_HEAD_BYTES = 16 * 1024;
/** A streamed chunk from this size on is written without a copy. */
const DIRECT_BYTES = 8 * 1024;
/** A chunk up to this size is copied into its frame. */
const MAX_COPIED_BYTES = 64 * 1024 + 64;
/** Of content in memory, so much is written at a time: a fast client takes all that it is given, while others wait. */
const MAX_WRITE_BYTES = 256 * 1024;
/** Framing of a chunk: its size line and the CRLF after it. */
const CHUNK_FRAME_BYTES = MAX_CHUNK_SIZE_BYTES + CHUNK_END.length;
/** Microtask turns that content may take to join the bytes that wait. */
const PROMPT_TURNS = 8;
/** Most interim responses to one request; more are dropped. */
const MAX_INTERIMS = 32;

/** The part of a connection that a {@linkcode ReplyWriter} needs. */
export interface WriterLink {
  /** Deadline of the write in progress; `Infinity` for none. */
  writeDueMs: number;
  /** The deadline of one write. */
  sendDue(): number;
  /** All available bytes are sent: whether the next chunk is awaited from the content's source. */
  awaitSource(isAwaited: boolean): void;
  /** Ends the connection at once. */
  close(): void;
}

/** Streamed content that is not of its stated length or could not be read. */
export class BrokenBody extends Error {
  override readonly name = "BrokenBody";
}

/** The sending side of a connection: writes replies in order, one write at a time. */
export class ReplyWriter implements ContentSender {
  readonly #stream: ByteStream;
  readonly #link: WriterLink;
  readonly #unsent: UnsentContent;
  /** Content in memory that is being sent; counted while it is. */
  #held: ArrayBufferLike | null = null;
  #heldSinceMs = 0;
  #memory: Memory | null = null;
  #used = 0;
  #lane = "";
  #framing: ReplyFraming = "none";
  #headBytes = 0;
  #writtenBytes = 0;
  /** Content of a chunked reply: bytes written, and bytes that wait. */
  #chunkBytes = 0;
  #pendingBytes = 0;
  #interims: Promise<void> | null = null;
  #interimCount = 0;

  constructor(stream: ByteStream, link: WriterLink, unsent: UnsentContent) {
    this.#stream = stream;
    this.#link = link;
    this.#unsent = unsent;
  }

  /** Content bytes of the reply that the socket has taken. */
  get contentBytes(): number {
    return this.#framing === "chunked" ? this.#chunkBytes : Math.max(0, this.#writtenBytes - this.#headBytes);
  }

  /** Settles once the interim responses have been sent; `null` where there are none. */
  get interims(): Promise<void> | null {
    return this.#interims;
  }

  /** Sends an interim response after the earlier ones. */
  interim(head: string): void {
    if (++this.#interimCount > MAX_INTERIMS) return;
    const write = async () => {
      const memory = takeMemory(head.length);
      await this.#write(memory.bytes.subarray(0, writeLatin1(head, memory.bytes, 0)));
      memory.release();
    };
    // A failure shows again at the next write.
    this.#interims = (this.#interims ?? Promise.resolve()).then(write).catch(() => {});
  }

  /**
   * Assembles head and content. Answers whether that is the whole reply, for {@linkcode write}; otherwise {@linkcode rest} must follow.
   */
  begin(reply: Reply, request: RequestTraits, closes: boolean, dateLine: string): boolean {
    const { body } = reply;
    const lengthBytes = contentLength(reply);
    const framing = this.#framing = framingOf(reply, lengthBytes, request);
    const head = restOfHead(reply, request.minor, { lengthBytes, framing, closes, dateLine });
    this.#lane = reply.lane ?? "";
    this.#writtenBytes = this.#chunkBytes = this.#pendingBytes = 0;
    this.#interimCount = 0;
    this.#interims = null;
    const isWithContent = hasContent(reply, request.isHead);
    const room = headRoom(reply);
    const isSmall = isWithContent && lengthBytes !== null && lengthBytes + room <= ONE_WRITE_BYTES;
    // Large content in memory is not copied beside the head: at 100 KB that costs less than copying 16.
    const withHead = body instanceof Uint8Array ? 0 : WITH_HEAD_BYTES;
    const memory = takeMemory(room + (!isWithContent ? 0 : isSmall ? lengthBytes : withHead));
    this.#memory = memory;
    this.#used = this.#headBytes = writeHead(reply, head, memory.bytes);
    if (!isWithContent) return true;
    if (!(body instanceof Uint8Array) || !isSmall) return false;
    memory.bytes.set(body, this.#used);
    this.#used += body.length;
    return true;
  }

  /** Begins to write the assembled bytes. The result goes to {@linkcode wrote}. */
  write(): Promise<number> {
    this.#link.writeDueMs = this.#link.sendDue();
    return this.#stream.write(this.#memory!.bytes.subarray(0, this.#used));
  }

  /** Takes the result of {@linkcode write}; a promise of the rest where the socket took only a part. */
  wrote(count: number): Promise<void> | null {
    this.#link.writeDueMs = Infinity;
    this.#writtenBytes += count;
    return count < this.#used ? this.#finish(count) : this.#settle();
  }

  /** Writes the assembled bytes, if any. */
  async flush(): Promise<void> {
    if (this.#memory !== null) await this.wrote(await this.write());
  }

  /**
   * Writes the bytes that {@linkcode begin} assembled and the rest of the content.
   *
   * @throws {BrokenBody} where the source fails or is not of the stated length; all other errors are the connection's
   */
  async rest(reply: Reply, sendsTrailers: boolean): Promise<void> {
    const { body } = reply;
    if (isSource(body)) await this.#writeSource(body, reply.lengthBytes, sendsTrailers);
    else if (body instanceof Uint8Array) await this.#writePiece(body);
    else for (const piece of body ?? []) await this.#writePiece(piece);
    await this.flush();
    this.#release();
  }

  get taken(): ContentSender["taken"] {
    if (this.#link.writeDueMs === Infinity) return null;
    return { sinceMs: this.#heldSinceMs, bytes: this.#writtenBytes };
  }

  cutOff(): void {
    this.#link.close();
  }

  /** Writes the bytes of a tunnel. */
  async send(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes);
  }

  /** Discards unwritten bytes. A pending write may still use the buffer, which is left to the garbage collector. */
  dispose(): void {
    this.#memory = null;
    this.#release();
  }

  async #finish(fromByte: number): Promise<void> {
    await this.#write(this.#memory!.bytes.subarray(fromByte, this.#used));
    this.#settle();
  }

  #settle(): null {
    this.#memory?.release();
    this.#memory = null;
    this.#used = 0;
    this.#chunkBytes += this.#pendingBytes;
    this.#pendingBytes = 0;
    return null;
  }

  /** Writes a piece in memory: the part that fits joins the bytes that wait, the rest is not copied. */
  async #writePiece(piece: Uint8Array): Promise<void> {
    const memory = this.#memory;
    let at = 0;
    if (memory !== null) {
      at = Math.min(piece.length, memory.sizeBytes - this.#used);
      memory.bytes.set(piece.length === at ? piece : piece.subarray(0, at), this.#used);
      this.#used += at;
      if (at === piece.length) return;
      await this.flush();
    }
    if (at < piece.length) await this.#write(piece.subarray(at));
  }

  async #writeSource(source: BodySource, lengthBytes: number | null, sendsTrailers: boolean): Promise<void> {
    let sentBytes = 0;
    for (;;) {
      const chunk = await this.#next(source);
      sentBytes += chunk?.length ?? 0;
      if (lengthBytes !== null && (chunk === null ? sentBytes < lengthBytes : sentBytes > lengthBytes)) {
        await this.flush();
        throw new BrokenBody(
          `Content of ${chunk === null ? "" : "at least "}${sentBytes} bytes, stated ${lengthBytes}`,
        );
      }
      if (chunk === null) break;
      if (chunk.length === 0) continue;
      if (this.#framing === "chunked") await this.#appendChunk(chunk);
      else await this.#append(chunk);
    }
    if (this.#framing === "chunked") await this.#appendEnd(sendsTrailers ? source.trailers ?? null : null);
  }

  /** The next chunk. Where it does not come at once, the bytes that wait are sent meanwhile. */
  async #next(source: BodySource): Promise<Uint8Array | null> {
    let isHere = false;
    const reading = source.read();
    const settled = () => void (isHere = true);
    reading.then(settled, settled);
    if (this.#used > 0) {
      for (let turn = 0; turn < PROMPT_TURNS && !isHere; turn++) await undefined;
      if (!isHere) await this.flush();
    }
    try {
      if (!isHere) this.#link.awaitSource(true);
      return await reading;
    } catch (error) {
      // The client gets the bytes so far, so that it sees a truncated response and not a failed connection.
      await this.flush();
      throw new BrokenBody("Content could not be read", { cause: error });
    } finally {
      this.#link.awaitSource(false);
    }
  }

  async #append(chunk: Uint8Array): Promise<void> {
    if (this.#memory === null && chunk.length < DIRECT_BYTES) this.#memory = takeMemory(WITH_HEAD_BYTES);
    const memory = this.#memory;
    if (memory !== null && chunk.length <= memory.sizeBytes - this.#used) {
      memory.bytes.set(chunk, this.#used);
      this.#used += chunk.length;
      return;
    }
    await this.flush();
    await this.#write(chunk);
  }

  /** Copies a chunk where possible: that costs less than separate writes of its frame. */
  async #appendChunk(chunk: Uint8Array): Promise<void> {
    const framedBytes = chunk.length + CHUNK_FRAME_BYTES;
    if (this.#memory !== null && framedBytes > this.#memory.sizeBytes - this.#used) await this.flush();
    this.#pendingBytes += chunk.length;
    const isDirect = framedBytes > MAX_COPIED_BYTES;
    const { bytes } = this.#memory ??= takeMemory(
      isDirect ? CHUNK_FRAME_BYTES : Math.max(framedBytes, WITH_HEAD_BYTES),
    );
    this.#used = writeChunkSize(chunk.length, bytes, this.#used);
    if (isDirect) {
      await this.flush();
      await this.#write(chunk);
      this.#put(CHUNK_END);
      return;
    }
    bytes.set(chunk, this.#used);
    bytes.set(CHUNK_END, this.#used + chunk.length);
    this.#used += chunk.length + CHUNK_END.length;
  }

  async #appendEnd(trailers: Readonly<Fields> | null): Promise<void> {
    const text = trailers === null ? "" : lastChunk(trailers);
    const length = trailers === null ? LAST_CHUNK.length : text.length;
    if (this.#memory !== null && length > this.#memory.sizeBytes - this.#used) await this.flush();
    if (trailers === null) return this.#put(LAST_CHUNK);
    const { bytes } = this.#memory ??= takeMemory(length);
    this.#used = writeLatin1(text, bytes, this.#used);
  }

  /** Adds a few bytes of framing. */
  #put(bytes: Uint8Array): void {
    const memory = this.#memory ??= takeMemory(WITH_HEAD_BYTES);
    memory.bytes.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #hold(memory: ArrayBufferLike): void {
    this.#release();
    this.#heldSinceMs = this.#unsent.nowMs;
    if (this.#unsent.hold(this, memory)) this.#held = memory;
  }

  #release(): void {
    if (this.#held !== null) this.#unsent.release(this, this.#held);
    this.#held = null;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    if (bytes.buffer !== this.#held) this.#hold(bytes.buffer);
    for (;;) {
      this.#link.writeDueMs = this.#link.sendDue();
      const count = await this.#stream.write(rest.length > MAX_WRITE_BYTES ? rest.subarray(0, MAX_WRITE_BYTES) : rest);
      this.#link.writeDueMs = Infinity;
      this.#writtenBytes += count;
      if (count === rest.length) return;
      rest = rest.subarray(count);
      await loopTurns.step(this.#lane, count);
    }
  }
}
