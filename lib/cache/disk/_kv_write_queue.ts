import { heldBytes, type StoredResponse } from "../stored_response.ts";
import type { WriteOp } from "./_kv_change.ts";
import type { Clock } from "../../clock.ts";
import type { KvTrouble } from "./_kv_trouble.ts";
import type { KvWriter } from "./_kv_writer.ts";

/** Limits of a write queue. */
export interface WriteQueueOptions {
  readonly maxBytes: number;
  readonly maxOps: number;
}

/** Bytes that an op without a response is counted with, beside its key. */
const OP_BYTES = 128;

/**
 * The ops that one worker has yet to write, the newest of each key only, in the order of the keys' arrival. Bounded by bytes and by count: a put
 * that finds no room becomes the removal of what its key holds, so that an old response is not taken for the new one.
 */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #waiting = new Map<string, WriteOp>();
  /** Uses are written first: an entry whose use waits behind a long queue may be evicted meanwhile. */
  readonly #touches = new Map<string, WriteOp>();
  #writing: ReadonlyMap<string, WriteOp> = new Map();
  #bytes = 0;
  #dropped = 0;

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  /** Ops that wait or are being written. */
  get size(): number {
    return this.#waiting.size + this.#touches.size + this.#writing.size;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts that found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds a put; returns whether there was room for it. */
  put(response: StoredResponse): boolean {
    const bytes = heldBytes(response);
    this.#remove(response.key);
    if (this.#hasRoom(bytes)) {
      this.#add({ kind: "put", key: response.key, bytes, response });
      return true;
    }
    this.#dropped++;
    this.delete(response.key);
    return false;
  }

  /** Adds a removal. Where even that has no room, the oldest op that waits is dropped for it. */
  delete(key: string, suspect = false, untilMs = Infinity): void {
    this.#remove(key);
    const op: WriteOp = { kind: "delete", key, bytes: OP_BYTES + key.length * 2, suspect, untilMs };
    while (!this.#hasRoom(op.bytes) && this.#waiting.size > 0) this.#dropOldest();
    this.#add(op);
  }

  /** Notes a use, unless something else waits for the key or too many uses do: a use may be lost. */
  touch(key: string): void {
    if (this.find(key) !== undefined || this.#touches.size >= this.#options.maxOps) return;
    this.#touches.set(key, { kind: "touch", key, bytes: OP_BYTES + key.length * 2 });
  }

  /** The op of a key that waits or is being written. */
  find(key: string): WriteOp | undefined {
    return this.#waiting.get(key) ?? this.#touches.get(key) ?? this.#writing.get(key);
  }

  /**
   * Takes ops, at least one where any waits, `maxBytes` and `maxOps` at most: uses in a half of them, then the oldest others. They are
   * found until `done`.
   */
  take(maxBytes: number, maxOps: number): WriteOp[] {
    const taken = new Map<string, WriteOp>();
    let bytes = 0;
    const uses = this.#waiting.size === 0 ? maxOps : Math.ceil(maxOps / 2);
    for (const op of this.#touches.values()) {
      if (taken.size >= uses) break;
      taken.set(op.key, op);
      bytes += op.bytes;
    }
    for (const op of this.#waiting.values()) {
      if (taken.size > 0 && (taken.size >= maxOps || bytes + op.bytes > maxBytes)) break;
      taken.set(op.key, op);
      bytes += op.bytes;
    }
    for (const key of taken.keys()) this.#remove(key);
    this.#writing = taken;
    return [...taken.values()];
  }

  /** Says that the ops taken are written, or given up. */
  done(): void {
    this.#writing = new Map();
  }

  #hasRoom(bytes: number): boolean {
    return this.#waiting.size < this.#options.maxOps && this.#bytes + bytes <= this.#options.maxBytes;
  }

  #add(op: WriteOp): void {
    this.#waiting.set(op.key, op);
    this.#bytes += op.bytes;
  }

  #remove(key: string): void {
    this.#touches.delete(key);
    const op = this.#waiting.get(key);
    if (op === undefined) return;
    this.#waiting.delete(key);
    this.#bytes -= op.bytes;
  }

  #dropOldest(): void {
    for (const op of this.#waiting.values()) {
      this.#remove(op.key);
      if (op.kind === "put") this.#dropped++;
      return;
    }
  }
}

/** Options of the write loop. */
export interface KvWriteLoopOptions {
  readonly queue: WriteQueue;
  readonly writer: KvWriter;
  readonly trouble: KvTrouble;
  readonly clock: Clock;
  readonly minFreeBytes: number;
  readonly freeBytes: () => number | null;
  /** Whether the file's log has taken what is left to it: then it is written back first. */
  readonly isLogFull: () => boolean;
}

/** Of one commit: what it may hold in all stays within Deno KV's 819,200 bytes, and in checks within 100. */
const BATCH_BYTES = 560_000;
const BATCH_OPS = 90;
const FREE_BYTES_EVERY_MS = 5000;
/** Milliseconds after a failed write until the next is tried. */
const RETRY_AFTER_MS = 1000;
const LOG_LOOK_EVERY_MS = 20;
const LOG_LOOKS = 250;

/** Writes what the queue holds, one batch at a time, as long as it holds anything. */
export class KvWriteLoop {
  readonly #options: KvWriteLoopOptions;
  #running: Promise<void> | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #closed = false;
  #freeSeenAtMs = -Infinity;
  #isDiskLow = false;
  #evictions = 0;
  #dropped = 0;

  constructor(options: KvWriteLoopOptions) {
    this.#options = options;
  }

  /** Entries that this worker evicted to make room. */
  get evictions(): number {
    return this.#evictions;
  }

  /** Puts that were taken from the queue and not made. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether nothing is stored for want of space. */
  get isDiskLow(): boolean {
    return this.#isDiskLow;
  }

  /** Says that the queue holds something. */
  wake(): void {
    if (this.#running !== null || this.#retry !== null) return;
    this.#running = this.#run();
  }

  /** Waits until what the queue holds is written, or KV refused it. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Tries nothing again from now on. */
  close(): void {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }

  async #run(): Promise<void> {
    // Ops of the same turn are written in one commit.
    await Promise.resolve();
    let failed = false;
    while (this.#options.queue.size > 0 && !failed) {
      await this.#logHasRoom();
      failed = !await this.#writeBatch();
    }
    // In the same turn as the look at the queue: an op that comes later begins a new run.
    this.#running = null;
    if (failed && !this.#closed) this.#retryLater();
  }

  /** The queue is bounded meanwhile; a log that nobody writes back is not waited for without end. */
  async #logHasRoom(): Promise<void> {
    for (let looks = 0; looks < LOG_LOOKS && !this.#closed && this.#options.isLogFull(); looks++) {
      await new Promise((resolve) => setTimeout(resolve, LOG_LOOK_EVERY_MS));
    }
  }

  /** Returns whether KV took it. An entry that it did not take must not be found in an older form: its removal is tried again. */
  async #writeBatch(): Promise<boolean> {
    const { queue, writer, trouble } = this.#options;
    const taken = queue.take(BATCH_BYTES, BATCH_OPS);
    const ops = this.#watchDisk() ? taken.map((op) => this.#withoutStoring(op)) : taken;
    const report = await trouble.guard("write entries", () => writer.write(ops));
    queue.done();
    if (report === undefined) {
      for (const op of ops) this.#giveUp(op);
      return false;
    }
    this.#evictions += report.evicted;
    this.#dropped += report.dropped;
    return true;
  }

  #giveUp(op: WriteOp): void {
    const { queue } = this.#options;
    if (op.kind === "put") this.#dropped++;
    if (op.kind !== "touch" && queue.find(op.key) === undefined) queue.delete(op.key);
  }

  #withoutStoring(op: WriteOp): WriteOp {
    if (op.kind !== "put") return op;
    this.#dropped++;
    return { kind: "delete", key: op.key, bytes: op.bytes, suspect: false };
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.wake();
    }, RETRY_AFTER_MS);
    Deno.unrefTimer(this.#retry);
  }

  /** Whether the disk is too full to store on; looked up now and then. */
  #watchDisk(): boolean {
    const { freeBytes, clock, minFreeBytes, trouble } = this.#options;
    const nowMs = clock.now();
    if (nowMs - this.#freeSeenAtMs < FREE_BYTES_EVERY_MS) return this.#isDiskLow;
    this.#freeSeenAtMs = nowMs;
    const free = freeBytes();
    this.#isDiskLow = free !== null && free < minFreeBytes;
    if (this.#isDiskLow) {
      trouble.warn("disk", "Stopped storing on disk: free space is below its floor", { freeBytes: free, minFreeBytes });
    }
    return this.#isDiskLow;
  }
}
