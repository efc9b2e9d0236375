import type { DiskTier } from "../../../lib/cache/disk/disk_tier.ts";
import type { TierStats } from "../../../lib/cache/store.ts";
import { heldBytes, type StoredResponse } from "../../../lib/cache/stored_response.ts";

/** Largest part of the limit that one entry may take. */
const MAX_ENTRY_SHARE = 0.25;

/** A disk tier in memory: the contract at its shortest, with eviction in the order of writing. */
export class MapTier implements DiskTier {
  readonly touchEveryMs = Infinity;
  readonly #held = new Map<string, StoredResponse>();
  readonly #limitBytes: number;
  #bytes = 0;
  #evictions = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  async get(key: string): Promise<StoredResponse | undefined> {
    // As a read does: what is put or deleted in this turn counts.
    await Promise.resolve();
    return this.#held.get(key);
  }

  put(response: StoredResponse): void {
    this.delete(response.key);
    if (heldBytes(response) > this.#limitBytes * MAX_ENTRY_SHARE) return;
    this.#held.set(response.key, response);
    this.#bytes += heldBytes(response);
    for (const key of this.#held.keys()) {
      if (this.#bytes <= this.#limitBytes) return;
      this.delete(key);
      this.#evictions++;
    }
  }

  delete(key: string, untilMs = Infinity): void {
    const held = this.#held.get(key);
    if (held === undefined || held.requestTimeMs > untilMs) return;
    this.#held.delete(key);
    this.#bytes -= heldBytes(held);
  }

  isOnItsWay(): boolean {
    return false;
  }

  touch(): void {}

  stats(): TierStats {
    return {
      entries: this.#held.size,
      bytes: this.#bytes,
      limitBytes: this.#limitBytes,
      evictions: this.#evictions,
      ...{ queuedWrites: 0, droppedWrites: 0, corrupt: 0, sparedReads: 0, emptyReads: 0 },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** What is really held, counted anew. */
  heldBytes(): number {
    return [...this.#held.values()].reduce((sum, response) => sum + heldBytes(response), 0);
  }
}
