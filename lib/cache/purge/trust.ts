/** Milliseconds of one step of the clock: it fits into one word for a year. */
const STEP_MS = 16;

/** Bytes of shared memory that it takes. */
export const TRUST_BYTES = Int32Array.BYTES_PER_ELEMENT;

/**
 * Until when what is stored may be served unasked, in memory that all workers share: a gateway of a cluster that has not heard of purges
 * for a while may have missed one. Each look-up reads it, so that a process that was held up learns of it before it serves.
 */
export class Trust {
  readonly #word: Int32Array;

  /** `byteOffset` is where in `memory` it lies; a multiple of 4. */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#word = new Int32Array(memory, byteOffset, 1);
  }

  /** It lasts until `untilMs`, milliseconds since the Unix epoch; 0 ends it at once. */
  set(untilMs: number, nowMs: number): void {
    // 0 stands for a trust that nobody has set: it has no end.
    Atomics.store(this.#word, 0, (stepOf(untilMs === 0 ? nowMs - STEP_MS : untilMs) | 0) || 1);
  }

  /** Whether it is over. */
  isOver(nowMs: number): boolean {
    const word = Atomics.load(this.#word, 0);
    return word !== 0 && ((word - stepOf(nowMs)) | 0) <= 0;
  }
}

function stepOf(timeMs: number): number {
  return Math.floor(timeMs / STEP_MS);
}
