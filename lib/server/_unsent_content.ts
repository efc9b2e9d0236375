import type { ServerCounts } from "./server_counts.ts";

/** Memory from this size on is counted: what streams are copied through is smaller. */
const LARGE_BYTES = 128 * 1024;
/** A reader is not judged before. */
const LEAST_AGE_MS = 1_000;
/** So much of the limit is left after readers were cut off, so that it is not done for each reply. */
const LEFT = 0.9;

/** One who sends content that lies in memory to its client. */
export interface ContentSender {
  /** Since when it sends this content, and how much of it the client has taken; `null` while it does not wait for the client. */
  readonly taken: { readonly sinceMs: number; readonly bytes: number } | null;
  /** Ends the connection. */
  cutOff(): void;
}

/** What {@linkcode UnsentContent} goes by. */
export interface UnsentContentOptions {
  readonly limitBytes: () => number;
  readonly counts: Pick<ServerCounts, "cutOffReaders">;
  readonly clock: { readonly nowMs: number };
}

/**
 * Memory of content that is being sent, each piece counted once. Whoever reads slowly keeps it, though the cache may have dropped it long
 * ago: above the limit, content whose fastest reader is the slowest goes first, with its readers.
 */
export class UnsentContent {
  readonly #options: UnsentContentOptions;
  readonly #senders = new Map<ArrayBufferLike, Set<ContentSender>>();
  #bytes = 0;

  constructor(options: UnsentContentOptions) {
    this.#options = options;
  }

  /** Bytes that are held at this moment. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The time by which senders are judged. */
  get nowMs(): number {
    return this.#options.clock.nowMs;
  }

  /** Counts memory that a sender keeps until {@linkcode release}; `false` where it is too small to be counted. */
  hold(sender: ContentSender, memory: ArrayBufferLike): boolean {
    if (memory.byteLength < LARGE_BYTES) return false;
    const senders = this.#senders.get(memory);
    if (senders !== undefined) senders.add(sender);
    else {
      this.#senders.set(memory, new Set([sender]));
      this.#bytes += memory.byteLength;
      if (this.#bytes > this.#options.limitBytes()) this.#makeRoom();
    }
    return true;
  }

  release(sender: ContentSender, memory: ArrayBufferLike): void {
    const senders = this.#senders.get(memory);
    if (senders === undefined || !senders.delete(sender) || senders.size > 0) return;
    this.#senders.delete(memory);
    this.#bytes -= memory.byteLength;
  }

  #makeRoom(): void {
    const { limitBytes, counts } = this.#options;
    const rated = [...this.#senders.values()].map((senders) => ({ senders, rate: this.#fastest(senders) }));
    for (const { senders, rate } of rated.sort((one, other) => one.rate - other.rate)) {
      if (rate === Infinity || this.#bytes <= limitBytes() * LEFT) return;
      for (const sender of [...senders]) {
        counts.cutOffReaders++;
        sender.cutOff();
      }
    }
  }

  /** Bytes a millisecond of the fastest; infinite where one of them is new, or waits for more content. */
  #fastest(senders: ReadonlySet<ContentSender>): number {
    let fastest = 0;
    for (const { taken } of senders) {
      const ageMs = taken === null ? 0 : this.nowMs - taken.sinceMs;
      if (taken === null || ageMs < LEAST_AGE_MS) return Infinity;
      fastest = Math.max(fastest, taken.bytes / ageMs);
    }
    return fastest;
  }
}
