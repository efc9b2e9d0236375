import type { StoredResponse, Tier } from "./stored_response.ts";

/** What a look-up found and where. */
export interface Found {
  readonly response: StoredResponse;
  readonly tier: Tier;
}

/** Figures of one tier. */
export interface TierStats {
  readonly entries: number;
  readonly bytes: number;
  readonly limitBytes: number;
  readonly evictions: number;
  /** Writes waiting, for a tier that queues them. */
  readonly queuedWrites: number;
  /** Writes not made because the queue was full or the disk low. */
  readonly droppedWrites: number;
  /** Entries found torn or corrupt and removed. */
  readonly corrupt: number;
}

/**
 * Keeps stored responses by key. Every key starts with its listener's name (see `key.ts`), so one store serves all listeners.
 *
 * A store never throws and never rejects: trouble below is a miss and a logged warning. What `get` answers is complete and verified.
 */
export interface Store {
  /** Answers at once where it can (memory), so that the caller awaits only when it must. */
  get(key: string): Found | undefined | Promise<Found | undefined>;
  /** Takes the response; persistence follows in the background. Replaces what the key held. */
  put(response: StoredResponse): void;
  /** Removes what the key holds, in every tier. */
  delete(key: string): void;
  stats(): { readonly memory: TierStats; readonly disk: TierStats | null };
  /** Waits until queued writes are down, at most `graceMs`, then lets go of what the store owns. */
  close(graceMs: number): Promise<void>;
}
