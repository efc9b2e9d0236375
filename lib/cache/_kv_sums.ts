import { BYTES_ROW, ENTRIES_ROW, listenerRow } from "./_kv_rows.ts";

/** A sum above this is one that fell below zero: the file lost rows behind our back. */
const PLAUSIBLE_SUM = 2n ** 60n;

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
