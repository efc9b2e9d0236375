import { BYTES_ROW, ENTRIES_ROW, listenerRow } from "./_kv_rows.ts";

/** A sum above this is one that fell below zero: the file lost rows behind our back. */
const PLAUSIBLE_SUM = 2n ** 60n;

/** What SQLite's write-ahead log takes beside the file at most, as measured with four workers writing without a pause. */
export const LOG_RESERVE_BYTES = 12 * 1024 * 1024;
const FILE_OVER_LIMIT = 1.2;
const MIN_SHARE = 0.25;
const MILLION = 1_000_000;

/** What the sum of entries is held against. */
export interface DiskLimit {
  /** The limit that the user set. */
  readonly limitBytes: number;
  /** Left to SQLite's log. */
  readonly logReserveBytes: number;
}

/**
 * The sum of entries that a limit allows: the file and its log together stay below 1.2 times the limit, so a small limit leaves
 * a part of itself to the log. `calibration` is what a million bytes counted take of the file, as the janitor measured it.
 */
export function allowedSumBytes({ limitBytes, logReserveBytes }: DiskLimit, calibration: number): number {
  const besideLog = Math.max(limitBytes * MIN_SHARE, limitBytes * FILE_OVER_LIMIT - logReserveBytes);
  return Math.floor(Math.min(limitBytes, besideLog) * MILLION / Math.max(MILLION / 2, calibration || MILLION));
}

/** Collects what one commit changes of the sums, and adds it to the commit, so that the two can never disagree. */
export class SumChanges {
  readonly #listeners = new Map<string, number>();
  #bytes = 0;
  #entries = 0;

  /** Bytes that the commit adds; negative where it frees more. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds bytes and entries of a listener; negative where they go. */
  add(listener: string, bytes: number, entries: number): void {
    this.#bytes += bytes;
    this.#entries += entries;
    this.#listeners.set(listener, (this.#listeners.get(listener) ?? 0) + bytes);
  }

  /** Changes the sums over all listeners alone. */
  correct(bytes: number, entries: number): void {
    this.#bytes += bytes;
    this.#entries += entries;
  }

  /** Whether there is nothing to change. */
  get isEmpty(): boolean {
    return this.#bytes === 0 && this.#entries === 0 && [...this.#listeners.values()].every((bytes) => bytes === 0);
  }

  /** Puts the sums into the commit. */
  addTo(atomic: Deno.AtomicOperation): void {
    if (this.#bytes !== 0) atomic.sum(BYTES_ROW, wrapped(this.#bytes));
    if (this.#entries !== 0) atomic.sum(ENTRIES_ROW, wrapped(this.#entries));
    for (const [listener, bytes] of this.#listeners) {
      if (bytes !== 0) atomic.sum(listenerRow(listener), wrapped(bytes));
    }
  }
}

/** A sum as it was read; 0 where there is none or it makes no sense. */
export function sumOf(value: unknown): number {
  if (!(value instanceof Deno.KvU64) || value.value > PLAUSIBLE_SUM) return 0;
  return Number(value.value);
}

/** Deno KV adds modulo 2^64, so a negative number is added as its complement. */
function wrapped(change: number): bigint {
  return BigInt.asUintN(64, BigInt(change));
}
