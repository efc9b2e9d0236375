import { KEY_SEPARATOR } from "./key.ts";

const SLOTS = 32_768;
const SLOT_BYTES = BigInt64Array.BYTES_PER_ELEMENT;

/** What an invalidation table takes of shared memory, in bytes. */
export const INVALIDATION_BYTES = (SLOTS + 1) * SLOT_BYTES;

/**
 * When unsafe requests last changed what targets stand for, in memory that all workers share: from then on none of them serves or
 * stores what was asked for before (RFC 9111 §4.4). Targets are told apart by a hash; two that share a slot cost a fetch, no more.
 */
export class InvalidationTable {
  readonly #slots: BigInt64Array;
  /** Whether there was any change, in the first slot: read on every hit, so a plain number. */
  readonly #changes: Int32Array;

  /** `byteOffset` is where in `memory` the table lies; a multiple of 8. */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#slots = new BigInt64Array(memory, byteOffset, SLOTS + 1);
    this.#changes = new Int32Array(memory, byteOffset, 1);
  }

  /** Notes that what a key's target stands for has changed, in milliseconds since the Unix epoch. */
  add(key: string, nowMs: number): void {
    Atomics.store(this.#slots, slotOf(key), BigInt(Math.ceil(nowMs)));
    Atomics.store(this.#changes, 0, 1);
  }

  /** Whether that came after `requestTimeMs`, when an upstream was asked. While there was no change at all, it costs one read. */
  since(key: string, requestTimeMs: number): boolean {
    if (Atomics.load(this.#changes, 0) === 0) return false;
    return requestTimeMs < Number(Atomics.load(this.#slots, slotOf(key)));
  }
}

/** Listener, host and target decide, not what stands behind them: an unsafe request concerns all variants. */
function slotOf(key: string): number {
  let hash = 0x811c9dc5;
  let separators = 0;
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    if (unit === SEPARATOR && ++separators === 3) break;
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return 1 + ((hash ^ (hash >>> 15)) & (SLOTS - 1));
}

const SEPARATOR = KEY_SEPARATOR.charCodeAt(0);
