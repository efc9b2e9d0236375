import { INVALIDATION_BYTES } from "./invalidation_table.ts";
import { TRUST_BYTES } from "../purge/trust.ts";
import { TAG_FILTER_BYTES } from "../purge/tag_filter.ts";
import { VALIDATION_BYTES } from "./validation_table.ts";

const SLOTS = 65_536;
/** Slots that a key may have: beside the one that its hash names, its neighbours. */
const WAYS = 8;
const TAG_BITS = 23;
const TAG_MASK = (1 << TAG_BITS) - 1;
/** Indices of workers that fit above the tag; zero stands for nobody. */
const MAX_OWNERS = (1 << (32 - TAG_BITS)) - 1;

/** Bytes of shared memory that a lease table takes. */
export const LEASE_BYTES = SLOTS * Int32Array.BYTES_PER_ELEMENT;

/** Offset of the tag filter in the memory of {@linkcode newLeaseMemory}, in bytes. */
export const TAG_FILTER_AT = LEASE_BYTES + INVALIDATION_BYTES;

/** Offset of the validation table in that memory, in bytes. */
export const VALIDATIONS_AT = TAG_FILTER_AT + TAG_FILTER_BYTES;

/** Offset of the word of {@linkcode Trust} in that memory, in bytes. */
export const TRUST_AT = VALIDATIONS_AT + VALIDATION_BYTES;

/**
 * Memory of a lease table, and behind it of an invalidation table, a tag filter, a validation table and a word of trust, to be handed to
 * every worker.
 */
export function newLeaseMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(TRUST_AT + TRUST_BYTES);
}

/** The result of asking for a lease. */
export type LeaseAnswer =
  /** This worker leads; release the lease when done. */
  | { readonly kind: "held"; readonly lease: Lease }
  /** Another worker leads. */
  | { readonly kind: "taken"; readonly owner: number }
  /** Other keys use all slots that the key may have: go on without a lease. */
  | { readonly kind: "none" };

/** A held slot. */
export interface Lease {
  readonly slot: number;
  readonly value: number;
}

/**
 * The worker that fetches a key: one slot of shared memory per key hash, taken by compare-and-exchange, so that an uncontended
 * miss pays about a microsecond and no message. A slot holds the owner's index and 23 more bits of the hash. A key whose slot is taken
 * moves on to the next of eight, so that keys which meet still collapse across workers, each for itself.
 */
export class LeaseTable {
  readonly #slots: Int32Array;
  readonly #self: number;

  /**
   * `self` is this worker's index.
   *
   * @throws {RangeError} when it is not a whole number from 0 to 510
   */
  constructor(memory: SharedArrayBuffer, self: number) {
    if (!Number.isInteger(self) || self < 0 || self >= MAX_OWNERS) {
      throw new RangeError(`Cannot use worker index ${self}: it must be a whole number from 0 to ${MAX_OWNERS - 1}`);
    }
    this.#slots = new Int32Array(memory, 0, SLOTS);
    this.#self = self;
  }

  /** Asks for the lease of a key. A lease that this worker still holds is handed out again. */
  acquire(key: string): LeaseAnswer {
    const [first, tag] = hashKey(key);
    const value = ((this.#self + 1) << TAG_BITS) | tag;
    // All of them before a free one is taken: the slots before the key's own may have become free since.
    for (let way = 0; way < WAYS; way++) {
      const slot = slotAt(first, way);
      const found = Atomics.load(this.#slots, slot);
      if (found !== 0 && (found & TAG_MASK) === tag) return answerOf(slot, found, value);
    }
    // All workers in the same order: of two that come at the same moment, the later one finds the earlier.
    for (let way = 0; way < WAYS; way++) {
      const slot = slotAt(first, way);
      const found = Atomics.compareExchange(this.#slots, slot, 0, value);
      if (found === 0) return { kind: "held", lease: { slot, value } };
      if ((found & TAG_MASK) === tag) return answerOf(slot, found, value);
    }
    return { kind: "none" };
  }

  /** Gives a lease back; one that was swept in the meantime is left alone. */
  release(lease: Lease): void {
    Atomics.compareExchange(this.#slots, lease.slot, lease.value, 0);
  }
}

/** The slots of a key, its own first, around within a group of neighbours. */
function slotAt(first: number, way: number): number {
  return (first & ~(WAYS - 1)) | ((first + way) & (WAYS - 1));
}

function answerOf(slot: number, found: number, own: number): LeaseAnswer {
  return found === own
    ? { kind: "held", lease: { slot, value: own } }
    : { kind: "taken", owner: (found >>> TAG_BITS) - 1 };
}

/** Frees every slot of a worker that has died; called by the supervisor. */
export function sweepLeases(memory: SharedArrayBuffer, owner: number): void {
  const slots = new Int32Array(memory, 0, SLOTS);
  for (let slot = 0; slot < slots.length; slot++) {
    const value = Atomics.load(slots, slot);
    if (value !== 0 && (value >>> TAG_BITS) - 1 === owner) Atomics.compareExchange(slots, slot, value, 0);
  }
}

/** Two multiplicative hashes over the key's code units: 16 bits for the slot, 23 for the tag. */
function hashKey(key: string): [slot: number, tag: number] {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b + unit, 0x85ebca6b) ^ (b >>> 13);
  }
  // The low bits of both products are the weaker ones.
  return [(a ^ (a >>> 16)) & (SLOTS - 1), ((b ^ (b >>> 15)) >>> 4) & TAG_MASK];
}
