/** Positions of one millisecond: those of several purges in it. */
export const POSITIONS_A_MS = 4096;

/** Largest position: whole numbers are exact up to there, which lasts until 2039. */
const MAX_POSITION = Number.MAX_SAFE_INTEGER;

/**
 * Gives purges their positions: each is larger than all before it and than all that were seen, whatever the clock says. A position is the
 * milliseconds since the Unix epoch at which it was given, times {@linkcode POSITIONS_A_MS}, plus a number; those of a clock that went
 * back go on from the largest one.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { PurgeClock } from "./purge_clock.ts";
 * const clock = new PurgeClock(0);
 * assert.deepEqual([clock.next(10), clock.next(10), clock.next(5)], [40960, 40961, 40962]);
 * ```
 */
export class PurgeClock {
  #last: number;

  /** Goes on after the position `last`. */
  constructor(last: number) {
    this.#last = last;
  }

  /** The largest position that was given or seen. */
  get last(): number {
    return this.#last;
  }

  /** The next position. */
  next(nowMs: number): number {
    return this.#last = Math.min(MAX_POSITION, Math.max(this.#last + 1, positionAt(nowMs)));
  }

  /** From now on every position given is larger than this one. */
  see(position: number): void {
    if (Number.isSafeInteger(position) && position > this.#last) this.#last = position;
  }
}

/** The smallest position of a moment; at least 1, since 0 stands for none. */
export function positionAt(nowMs: number): number {
  return Math.max(1, Math.floor(nowMs) * POSITIONS_A_MS);
}

/** The moment of a position, in milliseconds since the Unix epoch: never before that of a smaller one. */
export function momentOf(position: number): number {
  return Math.floor(position / POSITIONS_A_MS);
}
