import type { Clock } from "../../clock.ts";
import type { KvTrouble } from "./_kv_trouble.ts";
import type { KvWriter } from "./_kv_writer.ts";
import type { WriteOp, WriteQueue } from "./_write_queue.ts";

/** What the loop works with. */
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
    // What comes in the same turn goes down in one commit.
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

  /** Answers whether KV took it. What it did not take must not be found in an older form: its removal is tried again. */
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
