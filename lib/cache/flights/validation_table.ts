import { hash32 } from "../../hash.ts";

const SLOTS = 16_384;

/** Bytes of shared memory that a validation table takes. */
export const VALIDATION_BYTES = SLOTS * Int32Array.BYTES_PER_ELEMENT;

/** How long one validation that clients asked for is enough for all of them, in seconds. */
const ENOUGH_SECONDS = 10;

/**
 * When clients last had a stored response validated, in memory that all workers share: together they get one validation of a key in ten
 * seconds. Keys are told apart by a hash; of two that share a slot, one waits for the other's ten seconds.
 */
export class ValidationTable {
  readonly #slots: Int32Array;

  /** `byteOffset` is where in `memory` the table lies; a multiple of 4. */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#slots = new Int32Array(memory, byteOffset, SLOTS);
  }

  /** Takes the right to validate a key's stored response; `false` where somebody has had it in the last ten seconds. */
  take(key: string, nowMs: number): boolean {
    const slot = hash32(key) % SLOTS;
    const nowSeconds = Math.floor(nowMs / 1000) | 0;
    const last = Atomics.load(this.#slots, slot);
    // A clock that was set back opens the slot.
    const passed = nowSeconds - last;
    if (last !== 0 && passed >= 0 && passed < ENOUGH_SECONDS) return false;
    return Atomics.compareExchange(this.#slots, slot, last, nowSeconds) === last;
  }
}
