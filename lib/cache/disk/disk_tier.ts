import type { StoredResponse } from "../stored_response.ts";
import type { TierStats } from "../store.ts";

/**
 * What a tiered store needs of the tier below memory. Every key begins with its listener's name (see `key.ts`). Nothing here throws or
 * rejects: trouble below is a miss, and logged.
 */
export interface DiskTier {
  /**
   * The response that `key` holds, complete and verified: at once where that is known without a read. A put or a delete during the read
   * counts: what it replaced or removed is not answered.
   */
  get(key: string): StoredResponse | undefined | Promise<StoredResponse | undefined>;
  /** Takes a response to be written in the background, in place of what its key holds; `get` answers it from now on. */
  put(response: StoredResponse): void;
  /** Removes what the key holds, unless it was asked for after `untilMs` (default: never): another worker may have fetched it since. */
  delete(key: string, untilMs?: number): void;
  /** Whether what was put last under the key is not yet written to where other workers read. */
  isOnItsWay(key: string): boolean;
  /** Notes a use of an entry that memory answered, for the order of eviction. */
  touch(key: string): void;
  /** Milliseconds between two uses of one entry that are worth a `touch` each; `Infinity` for a tier that needs none. */
  readonly touchEveryMs: number;
  stats(): TierStats;
  /** Takes nothing more, and waits at most `graceMs` until what was put is written. */
  close(graceMs: number): Promise<void>;
}
