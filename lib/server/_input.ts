import type { ByteStream } from "../wire/byte_stream.ts";
import { findHeadEnd } from "../wire/head_end.ts";
import { checkUnfinishedHead, type HeadLimits, maxHeadBytes } from "../wire/request_head.ts";
import { Memory, takeLargeMemory, takeMemory } from "./_memory.ts";

/** Read buffer of an idle connection: most heads fit. An idle connection then takes 9 KB in all. */
const OWN_BYTES = 1024;

/** An incomplete head of this size gets a buffer for the longest head allowed. */
const LARGE_HEAD_BYTES = 33 * 1024;

/** Most bytes read ahead while a request is served; the rest stays in the socket. */
const MAX_AHEAD_BYTES = 16 * 1024;

/** Least free space for a read behind content that is in use. */
const MIN_ROOM_BYTES = 512;

const LF = 10;

/** Receives the events of a connection on which no read is awaited. */
export interface Watcher {
  /** Bytes have come. */
  onArrived(): void;
  /** The client ended its direction. */
  onEnded(): void;
  /** The connection broke. */
  onBroken(): void;
}

/**
 * The receiving side of a connection: the unused bytes, and at most one pending read. A read cannot be cancelled, so the parts of the
 * server share it: a caller that needs bytes awaits {@linkcode read} and passes the result to {@linkcode took}.
 */
export class Input {
  readonly #stream: ByteStream;
  #own = new Memory(OWN_BYTES);
  #memory = this.#own;
  /** A handler may still use a part of the buffer. */
  #isLent = false;
  #start = 0;
  #end = 0;
  /** Index up to which the incomplete head was searched for its end. */
  #scannedTo = 0;
  /** Pipelined heads found so far, and the index up to which they were searched for. */
  #aheadCount = 0;
  #aheadScannedTo = 0;
  #pending: Promise<number | null> | null = null;
  #watcher: Watcher | null = null;
  /** The last read filled the buffer: more bytes are probably waiting. */
  #isBusy = false;
  /** Whether the other side has ended its direction. */
  isEnded = false;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  get memory(): Memory {
    return this.#memory;
  }

  /** Whether only the connection's own small buffer is in use. */
  get isOwn(): boolean {
    return this.#memory === this.#own;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** The unused bytes, for who goes on with the stream; `null` at its end. A read that is pending is waited for: it cannot be taken back. */
  async takeRest(): Promise<Uint8Array | null> {
    while (this.#pending !== null) if (!this.took(await this.read())) return null;
    const rest = this.#memory.bytes.slice(this.#start, this.#end);
    this.dispose();
    return rest;
  }

  /** Marks `count` bytes as used. They stay valid until the next read. */
  use(count: number): void {
    this.#start += count;
    this.#scannedTo = this.#start;
  }

  /**
   * The index behind the head, or -1 where it is incomplete.
   *
   * @throws {WireError} where it is malformed or over a limit
   */
  headEnd(limits: HeadLimits): number {
    const { bytes } = this.#memory;
    const end = findHeadEnd(bytes, this.#start, this.#end, this.#scannedTo);
    this.#scannedTo = this.#end;
    if (end < 0 && this.length > 0) checkUnfinishedHead(bytes, this.#start, this.#end, limits);
    return end;
  }

  /** The pending read or a new one. The caller must pass its result to {@linkcode took} first. */
  read(): Promise<number | null> {
    this.#watcher = null;
    if (this.#pending !== null) return this.#pending;
    return this.#pending = this.#stream.read(this.#room());
  }

  /** Takes the result of {@linkcode read}; `false` at the end of the stream. */
  took(count: number | null): boolean {
    this.#pending = null;
    if (count === null) {
      this.isEnded = true;
      return false;
    }
    this.#end += count;
    this.#isBusy = this.#end === this.#memory.sizeBytes;
    return true;
  }

  /** Makes space for more of a head: moves its bytes to the front, or to a larger buffer. */
  prepareHead(limits: HeadLimits): void {
    if (this.#pending !== null) return;
    if (this.#start === this.#end) return this.#empty();
    if (this.#start > 0 && this.#memory !== this.#own && this.length <= OWN_BYTES) return this.#moveTo(this.#own);
    if (this.#end < this.#memory.sizeBytes) return;
    if (this.#start > 0) return this.#moveTo(this.#memory);
    const size = this.#memory.sizeBytes;
    this.#moveTo(takeMemory(size < LARGE_HEAD_BYTES ? size + 1 : Math.max(maxHeadBytes(limits), size + 1)));
  }

  /**
   * Makes space for content of which `restBytes` are missing; a lent chunk is no longer in use. Slow senders get the small buffer only,
   * because there may be many of them.
   */
  prepareContent(restBytes: number): void {
    if (this.#pending !== null || this.#start !== this.#end) return;
    this.#empty();
    if (this.#isBusy && restBytes > OWN_BYTES) this.#memory = takeLargeMemory();
  }

  /**
   * Returns to the connection's own buffer, if the unused bytes fit. Answers the buffer that was left, which the caller releases once
   * its lent part is unused; `null` where there is none.
   */
  leave(): Memory | null {
    const left = this.#memory;
    if (left === this.#own || this.#pending !== null || this.length > OWN_BYTES) return null;
    this.#own.bytes.set(left.bytes.subarray(this.#start, this.#end));
    this.#settleIn(this.#own);
    const isShared = this.#isLent;
    this.#isLent = false;
    return isShared ? null : left;
  }

  /**
   * Starts a read that nobody awaits, to notice the client's end; `watcher` is notified. Does nothing where a read is pending or there is
   * no space.
   */
  watch(watcher: Watcher): void {
    if (this.isEnded) return;
    this.#watcher = watcher;
    if (this.#pending !== null) return;
    const room = this.#memory.sizeBytes - this.#end;
    if (room === 0 || (room < MIN_ROOM_BYTES && this.#memory !== this.#own)) return;
    this.#pending = this.#stream.read(this.#room());
    this.#pending.then((count) => this.#watched(count), () => this.#broke());
  }

  /** Resets the count of pipelined heads, for the next request. */
  startAhead(): void {
    this.#aheadCount = 0;
    this.#aheadScannedTo = this.#start;
  }

  /** Whether `limit` pipelined requests wait. Empty lines are counted, also those in content. */
  hasAhead(limit: number): boolean {
    const { bytes } = this.#memory;
    const end = this.#end;
    let at = this.#aheadScannedTo;
    for (; at < end && this.#aheadCount < limit; at++) {
      if (bytes[at] === LF && at - 2 >= this.#start && bytes[at - 2] === LF) this.#aheadCount++;
    }
    this.#aheadScannedTo = at;
    return this.#aheadCount >= limit;
  }

  /** Makes space for more pipelined requests; `false` at the limit. */
  growAhead(): boolean {
    if (this.#pending !== null || this.#end < this.#memory.sizeBytes) return true;
    if (this.#start > 0) this.#moveTo(this.#memory);
    else if (this.#memory.sizeBytes >= MAX_AHEAD_BYTES) return false;
    else this.#moveTo(takeMemory(this.#memory.sizeBytes + 1));
    return true;
  }

  /** Excludes the present buffer from reads and from reuse: a handler may keep its lent part. */
  renounce(): void {
    this.#isLent = true;
  }

  /** Returns the pooled buffer, unless a read or a handler still uses it: that one is left to the garbage collector. */
  dispose(): void {
    if (this.#pending === null) this.#empty();
  }

  #room(): Uint8Array {
    return this.#end === 0 ? this.#memory.bytes : this.#memory.bytes.subarray(this.#end);
  }

  #empty(): void {
    if (this.#isLent) this.#own = new Memory(OWN_BYTES);
    else this.#memory.release();
    this.#memory = this.#own;
    this.#isLent = false;
    this.#start = this.#end = this.#scannedTo = 0;
  }

  #moveTo(wanted: Memory): void {
    const from = this.#memory;
    const memory = this.#isLent && wanted === from ? new Memory(from.sizeBytes) : wanted;
    if (memory === from) {
      memory.bytes.copyWithin(0, this.#start, this.#end);
    } else {
      memory.bytes.set(from.bytes.subarray(this.#start, this.#end));
      if (this.#isLent && from === this.#own) this.#own = new Memory(OWN_BYTES);
      else if (!this.#isLent) from.release();
      this.#isLent = false;
    }
    this.#settleIn(memory);
  }

  #settleIn(memory: Memory): void {
    this.#memory = memory;
    this.#end -= this.#start;
    this.#scannedTo = Math.max(0, this.#scannedTo - this.#start);
    this.#aheadScannedTo = Math.max(0, this.#aheadScannedTo - this.#start);
    this.#start = 0;
  }

  #watched(count: number | null): void {
    const watcher = this.#watcher;
    // The read is awaited by now; its caller takes the result.
    if (watcher === null) return;
    this.#watcher = null;
    if (this.took(count)) watcher.onArrived();
    else watcher.onEnded();
  }

  #broke(): void {
    const watcher = this.#watcher;
    if (watcher === null) return;
    this.#watcher = null;
    this.#pending = null;
    this.isEnded = true;
    watcher.onBroken();
  }
}
