import { KEY_SEPARATOR } from "./key.ts";
import type { StoredResponse, Tier } from "./stored_response.ts";

/** The result of a look-up and the tier that it is from. */
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
  /** Look-ups that read nothing, because the tier was known to hold nothing for their keys. */
  readonly sparedReads: number;
  /** Look-ups that read and found nothing. */
  readonly emptyReads: number;
}

/**
 * Keeps stored responses by key. Every key starts with its listener's name (see `key.ts`), so one store serves all listeners.
 *
 * A store never throws and never rejects: trouble below is a miss and a logged warning. What `get` returns is complete and verified.
 */
export interface Store {
  /** Returns at once where it can (memory), so that the caller awaits only when it must. */
  get(key: string): Found | undefined | Promise<Found | undefined>;
  /** Takes the response; persistence follows in the background. Replaces what the key held. */
  put(response: StoredResponse): void;
  /** Takes over, into memory alone, what another worker has put. */
  adopt(response: StoredResponse): void;
  /** Takes over, into all its tiers, what another gateway has stored: as the purges leave it; `undefined` where that is nothing. */
  takeOver(response: StoredResponse): StoredResponse | undefined;
  /** Whether what was put last under the key still waits to be written where other workers look. */
  isOnItsWay(key: string): boolean;
  /** See {@linkcode StoredFacts.purgePosition}: what is asked for now, and stored, is stored with it. */
  readonly purgePosition: number;
  /** Whether every purge is known here; while not, `get` answers what is to be validated first. */
  readonly isTrusted: boolean;
  /** A response that did not come from `get`, as that would answer it: to be validated first where a purge may have been missed. */
  trusted(response: StoredResponse): StoredResponse;
  /** Whether a purge since it was asked for names a response that was made of a stored one, not stored itself. */
  isPurged(response: StoredResponse): boolean;
  /** Removes what the key holds, in every tier. */
  delete(key: string): void;
  stats(): { readonly memory: TierStats; readonly disk: TierStats | null };
  /** Waits until queued writes are made, at most `graceMs`, then closes what the store owns. */
  close(graceMs: number): Promise<void>;
}

/** The listener that a key belongs to: its text up to the first separator; all of it where there is none. */
export function listenerOfKey(key: string): string {
  const end = key.indexOf(KEY_SEPARATOR);
  return end < 0 ? key : key.slice(0, end);
}

/** How long after its stale windows a response with a validator is kept on disk, where nothing else is said: seven days. */
export const DEFAULT_KEEP_MS = 7 * 24 * 3_600_000;

/**
 * When a stored response is of no more use, in milliseconds since the epoch: past its freshness lifetime, past the longer of
 * its stale windows (RFC 5861), and, where it has a validator, past `keepMs` more in which it can still be validated.
 */
export function deadAtMs(response: StoredResponse, keepMs: number): number {
  const { initialAgeMs, lifetimeMs, staleWhileRevalidateMs, staleIfErrorMs, mustRevalidate } = response.freshness;
  const stale = mustRevalidate ? 0 : Math.max(staleWhileRevalidateMs, staleIfErrorMs);
  const fresh = Math.max(0, lifetimeMs - initialAgeMs);
  return response.responseTimeMs + fresh + stale + (hasValidator(response) ? keepMs : 0);
}

function hasValidator(response: StoredResponse): boolean {
  // A marker has no fields, and has to outlive the variants that it leads to.
  return response.kind === "marker" || response.field("etag") !== null || response.field("last-modified") !== null;
}

/** The log of a store; a logger fits. */
export interface StoreLog {
  /** Absent where only problems are taken. */
  info?(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
