import { INVALIDATION_BYTES } from "./invalidation_table.ts";
import { TAG_FILTER_BYTES } from "./tag_filter.ts";

const SLOTS = 65_536;
const TAG_BITS = 23;
const TAG_MASK = (1 << TAG_BITS) - 1;
/** Indices of workers that fit above the tag; zero stands for nobody. */
const MAX_OWNERS = (1 << (32 - TAG_BITS)) - 1;

/** What a lease table takes of shared memory, in bytes. */
export const LEASE_BYTES = SLOTS * Int32Array.BYTES_PER_ELEMENT;

/** Where in the memory of {@linkcode newLeaseMemory} the tag filter lies, in bytes. */
export const TAG_FILTER_AT = LEASE_BYTES + INVALIDATION_BYTES;

/** Memory of a lease table, and behind it of an invalidation table and a tag filter, to be handed to every worker. */
export function newLeaseMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(TAG_FILTER_AT + TAG_FILTER_BYTES);
}

/** What asking for a lease gave. */
export type LeaseAnswer =
  /** This worker leads; release the lease when done. */
  | { readonly kind: "held"; readonly lease: Lease }
  /** Another worker leads. */
  | { readonly kind: "taken"; readonly owner: number }
  /** Another key uses the slot: go on without a lease. */
  | { readonly kind: "none" };

/** A held slot. */
export interface Lease {
  readonly slot: number;
  readonly value: number;
}

/**
 * Who of all workers fetches a key: one slot of shared memory per key hash, taken by compare-and-exchange, so that an uncontended
 * miss pays about a microsecond and no message. A slot holds the owner's index and 23 more bits of the hash; two keys that share
 * a slot simply don't collapse across workers.
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
    const [slot, tag] = hashKey(key);
    const value = ((this.#self + 1) << TAG_BITS) | tag;
    const before = Atomics.compareExchange(this.#slots, slot, 0, value);
    if (before === 0 || before === value) return { kind: "held", lease: { slot, value } };
    if ((before & TAG_MASK) !== tag) return { kind: "none" };
    return { kind: "taken", owner: (before >>> TAG_BITS) - 1 };
  }

  /** Gives a lease back; one that was swept in the meantime is left alone. */
  release(lease: Lease): void {
    Atomics.compareExchange(this.#slots, lease.slot, lease.value, 0);
  }
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
