/** Two independent rows of counters by address: an address is judged by the lower one, so a stranger has to share both with it. */
const ROWS = 2;
const ROW_BITS = 15;
const ROW_CELLS = 1 << ROW_BITS;
const ROW_MASK = ROW_CELLS - 1;

/** Int32 cells of one worker: its total, then its rows. */
const SLOT_CELLS = 1 + ROWS * ROW_CELLS;

/** Before the slots: the seed of the hash, so that clients cannot find addresses that share counters. */
const HEAD_CELLS = 1;

/** Key of a connection whose address is not counted. */
export const UNCOUNTED = -1;

/** Limits of connections. */
export interface GateLimits {
  /** Of all workers together. */
  readonly maxConnections: number;
  /** Of one address in all workers together; 0 is no limit. */
  readonly perAddress: number;
}

/**
 * Counts the connections of all workers in shared memory. Each worker writes only to its own slot, so that one that died leaves
 * nothing behind once {@linkcode clearSlot} was called for its successor. Addresses are counted in a table of fixed size: in the worst
 * case two of them share a count, never the other way round. IPv6 addresses count by their /64, which is what one client has.
 */
export class ConnectionGate {
  readonly #cells: Int32Array;
  readonly #slot: number;
  readonly #slots: number;
  readonly #ownStart: number;
  #limits: GateLimits;

  /** `slot` counts from 0 and belongs to one worker at a time. */
  constructor(memory: SharedArrayBuffer, slot: number, limits: GateLimits) {
    this.#cells = new Int32Array(memory);
    this.#slots = (this.#cells.length - HEAD_CELLS) / SLOT_CELLS;
    if (!Number.isInteger(slot) || slot < 0 || slot >= this.#slots) {
      throw new RangeError(`Cannot use slot ${slot} of a gate with ${this.#slots} slots`);
    }
    this.#slot = slot;
    this.#ownStart = slotStart(slot);
    this.#limits = limits;
  }

  /** Memory for `workers` workers; 256 KiB each, of which the system backs the pages in use. */
  static memory(slots: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer((HEAD_CELLS + slots * SLOT_CELLS) * Int32Array.BYTES_PER_ELEMENT);
    new Int32Array(memory)[0] = crypto.getRandomValues(new Int32Array(1))[0]!;
    return memory;
  }

  /** Resets the counts of a worker that has ended; its successor calls it before it serves. */
  clearSlot(): void {
    this.#cells.fill(0, this.#ownStart, this.#ownStart + SLOT_CELLS);
  }

  /** Changes the limits; existing connections stay. */
  setLimits(limits: GateLimits): void {
    this.#limits = limits;
  }

  /** Connections of all workers. */
  get count(): number {
    return Math.max(0, this.#sum(0));
  }

  /** Counts a connection; `false` at the limit. */
  enter(): boolean {
    Atomics.add(this.#cells, this.#ownStart, 1);
    if (this.#sum(0) <= this.#limits.maxConnections) return true;
    Atomics.sub(this.#cells, this.#ownStart, 1);
    return false;
  }

  leave(): void {
    Atomics.sub(this.#cells, this.#ownStart, 1);
  }

  /**
   * Counts a connection of an address. Answers the key for {@linkcode leaveAddress}, {@linkcode UNCOUNTED} where no limit is set, or `null`
   * where the address is at its limit.
   */
  enterAddress(address: string): number | null {
    const { perAddress } = this.#limits;
    if (perAddress <= 0) return UNCOUNTED;
    const key = this.#keyOf(address);
    this.#change(key, 1);
    if (Math.min(this.#sum(firstCell(key)), this.#sum(secondCell(key))) <= perAddress) return key;
    this.#change(key, -1);
    return null;
  }

  leaveAddress(key: number): void {
    if (key !== UNCOUNTED) this.#change(key, -1);
  }

  #change(key: number, by: number): void {
    Atomics.add(this.#cells, this.#ownStart + firstCell(key), by);
    Atomics.add(this.#cells, this.#ownStart + secondCell(key), by);
  }

  #sum(offset: number): number {
    let sum = 0;
    for (let slot = 0; slot < this.#slots; slot++) {
      const count = Atomics.load(this.#cells, slotStart(slot) + offset);
      // A worker killed between two steps must not lead to negative counts.
      if (count > 0) sum += count;
    }
    return sum;
  }

  /** A hash of 30 bits, 15 for each row. */
  #keyOf(address: string): number {
    const counted = address.includes(":") ? networkOf(address) : address;
    let hash = this.#cells[0]!;
    for (let index = 0; index < counted.length; index++) {
      hash = Math.imul(hash ^ counted.charCodeAt(index), 0x01000193);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
    hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
    return (hash ^ hash >>> 16) >>> 2;
  }
}

function slotStart(slot: number): number {
  return HEAD_CELLS + slot * SLOT_CELLS;
}

function firstCell(key: number): number {
  return 1 + (key & ROW_MASK);
}

function secondCell(key: number): number {
  return 1 + ROW_CELLS + (key >>> ROW_BITS & ROW_MASK);
}

/** The first four groups of an IPv6 address, however it is written. */
function networkOf(address: string): string {
  const [head = "", tail] = address.split("%", 1)[0]!.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array<string>(missing).fill("0"), ...after];
  return groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":");
}
