import type { ByteStream } from "../wire/byte_stream.ts";
import { findHeadEnd } from "../wire/head_end.ts";
import { checkUnfinishedHead, type HeadLimits, maxHeadBytes } from "../wire/request_head.ts";
import { Memory, takeLargeMemory, takeMemory } from "./_memory.ts";

/** What an idle connection waits with: most heads fit. With it one of 10,000 holds 9 KB in all. */
const OWN_BYTES = 1024;

/** From this size on a head that is still not complete gets all the memory that it may need. */
const LARGE_HEAD_BYTES = 33 * 1024;

/** While a request is served, what else comes is taken up to here; then it waits in the socket. */
const MAX_AHEAD_BYTES = 16 * 1024;

/** Less room than this is not worth a read beside content that is being used. */
const MIN_ROOM_BYTES = 512;

const LF = 10;

/** Who is told what comes in while nobody reads. */
export interface Watcher {
  /** Bytes have come. */
  onArrived(): void;
  /** The client ended its direction. */
  onEnded(): void;
  /** The connection broke. */
  onBroken(): void;
}

/**
 * The receiving side of a connection: the bytes that have come and have not been used, and the one read that may be under way. A read
 * cannot be taken back, so it is handed from one part of the server to the next instead: whoever needs bytes awaits
 * {@linkcode read} and passes its result to {@linkcode took}.
 */
export class Input {
  readonly #stream: ByteStream;
  #own = new Memory(OWN_BYTES);
  #memory = this.#own;
  /** A part of it may still be in use by whom it was lent to. */
  #isLent = false;
  #start = 0;
  #end = 0;
  /** Of the head that has not ended yet: up to where it was looked through. */
  #scannedTo = 0;
  /** Heads that have come ahead of their turn, and up to where they were looked for. */
  #aheadCount = 0;
  #aheadScannedTo = 0;
  #pending: Promise<number | null> | null = null;
  #watcher: Watcher | null = null;
  /** The last read took all the room that there was: more is there, most likely. */
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

  /** Whether it waits with nothing but the connection's own memory. */
  get isOwn(): boolean {
    return this.#memory === this.#own;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** Marks so many bytes as used; they stay as they are until the next read of content or of a head. */
  use(count: number): void {
    this.#start += count;
    this.#scannedTo = this.#start;
  }

  /**
   * Behind the head that has come, or -1 where it is not complete.
   *
   * @throws {WireError} where it cannot become one, or is over a limit already
   */
  headEnd(limits: HeadLimits): number {
    const { bytes } = this.#memory;
    const end = findHeadEnd(bytes, this.#start, this.#end, this.#scannedTo);
    this.#scannedTo = this.#end;
    if (end < 0 && this.length > 0) checkUnfinishedHead(bytes, this.#start, this.#end, limits);
    return end;
  }

  /** The read under way or a new one; its result belongs to the caller, who passes it to {@linkcode took} first of all. */
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

  /** Has room for more of a head: moves to the front what has come, or into more memory. */
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
   * Has room for content, of which so much is still to come; what was lent is not needed any more. A client that sends slowly is waited
   * for with little memory: many could do that at once.
   */
  prepareContent(restBytes: number): void {
    if (this.#pending !== null || this.#start !== this.#end) return;
    this.#empty();
    if (this.#isBusy && restBytes > OWN_BYTES) this.#memory = takeLargeMemory();
  }

  /**
   * Goes back to the connection's own memory with what has not been used, if that fits. Answers the memory left behind, for whoever
   * lent a part of it to release; `null` where there is none.
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
   * Reads on while nobody waits for it, so that the client's end is seen; `watcher` hears of what comes. Does nothing while a read is
   * under way or there is no room.
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

  /** Forgets what was counted ahead of its turn: another request is being served. */
  startAhead(): void {
    this.#aheadCount = 0;
    this.#aheadScannedTo = this.#start;
  }

  /** Whether so many requests wait for their turn. What has come is taken for heads alone: content counts as more of them, if at all. */
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

  /** More room for what comes ahead of its turn; `false` where there is as much as there may be. */
  growAhead(): boolean {
    if (this.#pending !== null || this.#end < this.#memory.sizeBytes) return true;
    if (this.#start > 0) this.#moveTo(this.#memory);
    else if (this.#memory.sizeBytes >= MAX_AHEAD_BYTES) return false;
    else this.#moveTo(takeMemory(this.#memory.sizeBytes + 1));
    return true;
  }

  /** From now on nothing is read into the memory of before, nor is it given back: whoever was lent a part of it may still use that. */
  renounce(): void {
    this.#isLent = true;
  }

  /** Gives back what is not the connection's own, unless a read or somebody else still uses it: that the garbage collector takes. */
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
    // Somebody waits for this read by now and takes its result.
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
