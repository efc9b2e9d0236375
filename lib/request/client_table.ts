import { createHash } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";

/** How the clients of a listener are told apart. */
export interface ClientIdentityOptions {
  /** Listener, so that clients of one are not counted for another. */
  readonly listener: string;
  /** Field that distinguishes clients, lower case, or {@linkcode CLIENT_NAME}; `null` goes by address. */
  readonly header: string | null;
  /** Leading bits of an address that make one client. */
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
}

/** In place of a field's name: clients are distinguished by the names of their tokens. */
export const CLIENT_NAME = ":client";

/** Clients that are remembered at a time, of all listeners. */
const ENTRIES = 65_536;
/** Places that a client may be found in. */
const PROBES = 8;
/**
 * Four 64-bit numbers an entry: the client's hash; the time until which its quota is spent, in microseconds; what it has spent that other
 * gateways do not know of; and how far ahead that time may be.
 */
const CELLS = 4;
/** So far beyond a full bucket the gateways together may let a client go; what is more is forgiven. */
export const MAX_DEBT_US = 9_000_000n;
/** First the secret that keys are hashed with, then how many gateways share each quota, and whether they do. */
const HEAD_CELLS = 3;
const SEED_CELLS = 2;
const CELL_BYTES = BigInt64Array.BYTES_PER_ELEMENT;
/** In 32-bit words. */
const DIVISOR = SEED_CELLS * 2;
const IS_SHARED = DIVISOR + 1;
/** In place of a divisor: all gateways count together. */
const WHOLE = 0;

/**
 * Memory of the table of clients, to be handed to every worker. Gateways that count clients together have one secret: without it no two
 * of them call a client the same.
 */
export function newClientMemory(sharedSecret: string | null = null): SharedArrayBuffer {
  // Behind the entries a byte for each: whether other gateways are to be asked about it.
  const memory = new SharedArrayBuffer((HEAD_CELLS + ENTRIES * CELLS) * CELL_BYTES + ENTRIES);
  const seed = sharedSecret === null
    ? crypto.getRandomValues(new BigInt64Array(SEED_CELLS))
    : new BigInt64Array(seedOf(sharedSecret), 0, SEED_CELLS);
  new BigInt64Array(memory, 0, HEAD_CELLS).set(seed);
  const words = new Int32Array(memory, 0, HEAD_CELLS * 2);
  words[IS_SHARED] = sharedSecret === null ? 0 : 1;
  return memory;
}

function seedOf(secret: string): ArrayBuffer {
  return Uint8Array.from(createHash("sha256").update(`usher clients\0${secret}`).digest()).buffer;
}

/**
 * The clients of a listener in one bounded table of shared memory for all workers and listeners, each with one number: the time until
 * which its quota is spent. A client is a hash under a secret seed: no address and no credential is stored. Where all places of a client
 * are taken, the one with the fullest bucket is replaced: a flood of addresses does not evict clients that are over their limit.
 */
export class ClientTable {
  /** Read and written with `Atomics` alone. */
  readonly cells: BigInt64Array;
  readonly #words: Int32Array;
  readonly #asked: Uint8Array;
  readonly #isShared: boolean;
  readonly #options: ClientIdentityOptions;
  readonly #seed: readonly [number, number];

  constructor(memory: SharedArrayBuffer, options: ClientIdentityOptions) {
    this.cells = new BigInt64Array(memory, 0, HEAD_CELLS + ENTRIES * CELLS);
    this.#words = new Int32Array(memory, 0, HEAD_CELLS * 2);
    this.#asked = new Uint8Array(memory, this.cells.byteLength, ENTRIES);
    this.#isShared = this.#words[IS_SHARED] === 1;
    this.#options = options;
    this.#seed = [Number(BigInt.asIntN(32, this.cells[0]!)), Number(BigInt.asIntN(32, this.cells[1]!))];
  }

  /** How many gateways share a quota, each with its part of it; 1 while all know what the others count. */
  get divisor(): number {
    return this.#isShared ? Math.max(1, Atomics.load(this.#words, DIVISOR)) : 1;
  }

  /**
   * Tells other gateways what a client has spent here, and asks what it has spent there; `cell` is that of its time, which may be
   * `furthestUs` ahead. Costs nothing where there are none.
   */
  tell(cell: number, spentUs: bigint, furthestUs: bigint): void {
    if (!this.#isShared) return;
    // A divided quota is spent by its owner alone.
    if (spentUs !== 0n && Atomics.load(this.#words, DIVISOR) === WHOLE) Atomics.add(this.cells, cell + 1, spentUs);
    Atomics.store(this.cells, cell + 2, furthestUs);
    Atomics.store(this.#asked, (cell - 1 - HEAD_CELLS) / CELLS, 1);
  }

  /** Who a client is: a number that is never 0. */
  keyOf(client: string, header: (name: string) => string | null): bigint {
    const value = this.#options.header === null ? null : header(this.#options.header);
    return value === null ? this.keyOfAddress(client) : this.#hash(`${this.#options.listener} h ${value}`);
  }

  /** The same of a client that has only an address. */
  keyOfAddress(address: string): bigint {
    const { listener, ipv4Prefix, ipv6Prefix } = this.#options;
    return this.#hash(`${listener} a ${addressPrefix(address, ipv4Prefix, ipv6Prefix)}`);
  }

  /** The cell of a client's time; below 0 where it has none. */
  find(key: bigint): number {
    const first = Number(BigInt.asUintN(32, key)) % ENTRIES;
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = HEAD_CELLS + ((first + probe) % ENTRIES) * CELLS;
      if (Atomics.load(this.cells, entry) === key) return entry + 1;
    }
    return -1;
  }

  /** The cell of a client's time: its own, an empty one, or that of the client with the fullest bucket. */
  placeOf(key: bigint, nowUs: bigint): number {
    const first = Number(BigInt.asUintN(32, key)) % ENTRIES;
    let victim = -1;
    let victimUs = 0n;
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = HEAD_CELLS + ((first + probe) % ENTRIES) * CELLS;
      const owner = Atomics.load(this.cells, entry);
      if (owner === key) return entry + 1;
      const untilUs = owner === 0n ? -1n : Atomics.load(this.cells, entry + 1);
      if (victim < 0 || untilUs < victimUs) [victim, victimUs] = [entry, untilUs];
    }
    return this.#claim(victim, key, nowUs);
  }

  /**
   * Takes an entry over for a client. Where another worker is faster, the two share it until one of them moves on. The time is
   * begun anew only if it is still the one before: other workers may have spent all of the burst since the entry was taken.
   */
  #claim(entry: number, key: bigint, nowUs: bigint): number {
    const owner = Atomics.load(this.cells, entry);
    const timeUs = Atomics.load(this.cells, entry + 1);
    if (owner !== key && Atomics.compareExchange(this.cells, entry, owner, key) === owner) {
      Atomics.compareExchange(this.cells, entry + 1, timeUs, nowUs);
      Atomics.store(this.cells, entry + 2, 0n);
    }
    return entry + 1;
  }

  /** 64 bits under the seed, never 0. */
  #hash(text: string): bigint {
    let [a, b] = this.#seed;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      a = Math.imul(a ^ unit, 0x85ebca6b);
      a ^= a >>> 13;
      b = Math.imul(b ^ unit, 0xc2b2ae35);
      b ^= b >>> 16;
    }
    a = Math.imul(a ^ (b >>> 15), 0x27d4eb2f);
    return BigInt.asIntN(64, (BigInt(b >>> 0) << 32n) | BigInt((a ^ (a >>> 16)) >>> 0)) || 1n;
  }
}

/** A client that other gateways are to be told of. */
export interface SpentClient {
  /** See {@linkcode ClientTable.keyOf}. */
  readonly key: bigint;
  /** The cell of its time. */
  readonly cell: number;
  /** What it has spent since it was last told, in microseconds; below 0 where something was given back. */
  readonly spentUs: bigint;
  /** How far ahead its time may be, in microseconds. */
  readonly furthestUs: bigint;
}

/** All clients of all listeners, as one place sees them that tells other gateways of them. */
export class ToldClients {
  readonly #cells: BigInt64Array;
  readonly #words: Int32Array;
  readonly #asked: Uint8Array;
  /** The same by eights: most are 0. */
  readonly #eights: BigInt64Array;
  #from = 0;

  /** @param memory {@linkcode newClientMemory}, with a shared secret */
  constructor(memory: SharedArrayBuffer) {
    this.#cells = new BigInt64Array(memory, 0, HEAD_CELLS + ENTRIES * CELLS);
    this.#words = new Int32Array(memory, 0, HEAD_CELLS * 2);
    this.#asked = new Uint8Array(memory, this.#cells.byteLength, ENTRIES);
    this.#eights = new BigInt64Array(memory, this.#cells.byteLength, ENTRIES / 8);
  }

  /** Takes `max` clients at most that have something to tell or ask, in turn. */
  take(max: number): SpentClient[] {
    const taken: SpentClient[] = [];
    const { length } = this.#eights;
    for (let step = 0; step < length && taken.length < max; step++) {
      const eight = (this.#from + step) % length;
      if (this.#eights[eight] === 0n) continue;
      for (let entry = eight * 8; entry < eight * 8 + 8 && taken.length < max; entry++) {
        if (Atomics.exchange(this.#asked, entry, 0) !== 0) taken.push(this.#clientAt(entry));
      }
      if (taken.length >= max) this.#from = eight;
    }
    return taken;
  }

  /** A client's quota is spent so far ahead of now by all gateways; what it has spent here since it was told comes on top. */
  raise({ key, cell, furthestUs }: SpentClient, aheadUs: bigint, nowUs: bigint): void {
    const boundUs = nowUs + furthestUs + MAX_DEBT_US;
    for (;;) {
      const before = Atomics.load(this.#cells, cell);
      const all = nowUs + aheadUs + Atomics.load(this.#cells, cell + 1);
      const after = all > boundUs ? boundUs : all;
      if (before >= after || Atomics.load(this.#cells, cell - 1) !== key) return;
      if (Atomics.compareExchange(this.#cells, cell, before, after) === before) return;
    }
  }

  /** What could not be told is to be told another time. */
  putBack({ key, cell, spentUs }: SpentClient): void {
    if (Atomics.load(this.#cells, cell - 1) !== key) return;
    Atomics.add(this.#cells, cell + 1, spentUs);
    Atomics.store(this.#asked, (cell - 1 - HEAD_CELLS) / CELLS, 1);
  }

  /** From now on each client has one of so many parts of its quota here, of which nobody is told; `null` for all of it. */
  divide(gateways: number | null): void {
    Atomics.store(this.#words, DIVISOR, gateways ?? WHOLE);
  }

  #clientAt(entry: number): SpentClient {
    const cell = HEAD_CELLS + entry * CELLS + 1;
    return {
      key: Atomics.load(this.#cells, cell - 1),
      cell,
      spentUs: Atomics.exchange(this.#cells, cell + 1, 0n),
      furthestUs: Atomics.load(this.#cells, cell + 2),
    };
  }
}

/**
 * The prefix of an address that identifies a client, in one spelling; an IPv4 address written as IPv6 counts as IPv4. Any other text is
 * returned unchanged.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { addressPrefix } from "./client_table.ts";
 * assert.equal(addressPrefix("203.0.113.77", 24, 64), "4:cb007100/24");
 * assert.equal(addressPrefix("2001:db8::1", 32, 64), addressPrefix("2001:db8:0:0:ffff::9", 32, 64));
 * ```
 */
export function addressPrefix(address: string, ipv4Prefix: number, ipv6Prefix: number): string {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.replace(/%.*$/, "");
  if (isIPv4(plain)) return `4:${masked(plain.split(".").map(Number), 8, ipv4Prefix)}`;
  if (isIPv6(plain)) return `6:${masked(ipv6Groups(plain), 16, ipv6Prefix)}`;
  return `x:${address}`;
}

/** The leading bits of a number that is given in parts of `partBits`, as hexadecimal text. */
function masked(parts: readonly number[], partBits: number, prefixBits: number): string {
  const text = parts.map((part, index) => {
    const bits = Math.min(partBits, Math.max(0, prefixBits - index * partBits));
    return (part & ~((1 << (partBits - bits)) - 1)).toString(16).padStart(partBits / 4, "0");
  });
  return `${text.join("")}/${prefixBits}`;
}

function ipv6Groups(address: string): number[] {
  const groups = (part: string) => part === "" ? [] : part.split(":").flatMap(groupValues);
  const [front = "", back] = address.split("::");
  const head = groups(front);
  if (back === undefined) return head;
  const tail = groups(back);
  return [...head, ...new Array(8 - head.length - tail.length).fill(0), ...tail];
}

/** One group, or the two that an IPv4 address at the end stands for. */
function groupValues(group: string): number[] {
  if (!group.includes(".")) return [parseInt(group, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
  return [a * 256 + b, c * 256 + d];
}
