import { isIPv4, isIPv6 } from "node:net";

/** In place of a field's name: clients are distinguished by the names of their tokens. */
export const CLIENT_NAME = ":client";

/** The quota of each client of a listener. */
export interface ClientRateOptions {
  /** Listener, so that clients of one are not counted for another. */
  readonly listener: string;
  readonly requests: number;
  readonly perMs: number;
  /** Requests at once after a pause. */
  readonly burst: number;
  /** Field that distinguishes clients, lower case, or {@linkcode CLIENT_NAME}; `null` goes by address. */
  readonly header: string | null;
  /** Leading bits of an address that make one client. */
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
}

/** Whether a request is within its client's quota, and the quota after it. */
export interface RateVerdict {
  readonly allowed: boolean;
  /** Requests left at once. */
  readonly remaining: number;
  /** Seconds until a request is allowed (refused), or until all of the quota is back. */
  readonly resetSeconds: number;
}

/** Clients that are remembered at a time, of all listeners. */
const ENTRIES = 65_536;
/** Places that a client may be found in. */
const PROBES = 8;
/** Two 64-bit numbers an entry: the client's hash, and the time until which its quota is spent, in microseconds. */
const CELLS = 2;
/** The first entry holds the secret that keys are hashed with. */
const SEED_CELLS = 2;

/** Memory of the table of clients, to be handed to every worker. */
export function newClientMemory(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer((SEED_CELLS + ENTRIES * CELLS) * BigInt64Array.BYTES_PER_ELEMENT);
  const seed = crypto.getRandomValues(new BigInt64Array(SEED_CELLS));
  new BigInt64Array(memory).set(seed);
  return memory;
}

/** A time that lies further ahead than a full bucket and this says that the clock was set back; in microseconds. */
const SET_BACK_US = 10_000_000n;

/**
 * Token buckets of clients, one bounded table of shared memory for all workers. A client is a hash under a secret seed: no
 * address and no credential is stored. A bucket is one number, the time until which it is spent (GCRA), so that a request is
 * one compare-and-exchange. Where all places of a client are taken, the one with the fullest bucket is replaced: a flood of
 * addresses does not evict clients that are over their limit.
 */
export class ClientRate {
  readonly #table: BigInt64Array;
  readonly #options: ClientRateOptions;
  readonly #eachUs: bigint;
  readonly #burstUs: bigint;
  readonly #seed: readonly [number, number];
  /** The `RateLimit-Policy` field (draft-ietf-httpapi-ratelimit-headers). */
  readonly policyField: string;

  constructor(memory: SharedArrayBuffer, options: ClientRateOptions) {
    this.#table = new BigInt64Array(memory);
    this.#options = options;
    this.#eachUs = BigInt(Math.max(1, Math.round(options.perMs * 1_000 / options.requests)));
    this.#burstUs = this.#eachUs * BigInt(options.burst);
    this.#seed = [Number(BigInt.asIntN(32, this.#table[0]!)), Number(BigInt.asIntN(32, this.#table[1]!))];
    this.policyField = `"default";q=${options.requests};w=${Math.max(1, Math.ceil(options.perMs / 1_000))}`;
  }

  /** The `RateLimit` field for a verdict. */
  field({ remaining, resetSeconds }: RateVerdict): string {
    return `"default";r=${remaining};t=${resetSeconds}`;
  }

  /** Takes one request from a client's quota, if there is one left. */
  take(client: string, header: (name: string) => string | null, nowMs: number): RateVerdict {
    const value = this.#options.header === null ? null : header(this.#options.header);
    const key = this.#hash(`${this.#options.listener} ${value === null ? this.#addressName(client) : `h ${value}`}`);
    return this.#spend(this.#placeOf(key, BigInt(Math.round(nowMs)) * 1_000n), nowMs);
  }

  /** Seconds until an address may ask again; 0 where it may now. Takes nothing. */
  waitSeconds(address: string, nowMs: number): number {
    const cell = this.#find(this.#hash(`${this.#options.listener} ${this.#addressName(address)}`));
    if (cell < 0) return 0;
    const nowUs = BigInt(Math.round(nowMs)) * 1_000n;
    const aheadUs = Atomics.load(this.#table, cell) - nowUs;
    const waitUs = aheadUs + this.#eachUs - this.#burstUs;
    return waitUs <= 0n || aheadUs > this.#burstUs + SET_BACK_US ? 0 : seconds(waitUs);
  }

  #addressName(address: string): string {
    return `a ${addressPrefix(address, this.#options.ipv4Prefix, this.#options.ipv6Prefix)}`;
  }

  /** The cell of a client's time; below 0 where it has none. */
  #find(key: bigint): number {
    const first = Number(BigInt.asUintN(32, key)) % ENTRIES;
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = SEED_CELLS + ((first + probe) % ENTRIES) * CELLS;
      if (Atomics.load(this.#table, entry) === key) return entry + 1;
    }
    return -1;
  }

  #spend(cell: number, nowMs: number): RateVerdict {
    const nowUs = BigInt(Math.round(nowMs)) * 1_000n;
    for (;;) {
      const before = Atomics.load(this.#table, cell);
      // Much further off than it can be: the clock was set back. A little further only means that this worker read it a while ago.
      const isSetBack = before - nowUs > this.#burstUs + SET_BACK_US;
      const from = before > nowUs && !isSetBack ? before : nowUs;
      const after = from + this.#eachUs;
      const spokenUs = after - nowUs;
      if (spokenUs > this.#burstUs) {
        return { allowed: false, remaining: 0, resetSeconds: seconds(spokenUs - this.#burstUs) };
      }
      if (Atomics.compareExchange(this.#table, cell, before, after) !== before) continue;
      const remaining = Number((this.#burstUs - spokenUs) / this.#eachUs);
      return { allowed: true, remaining, resetSeconds: seconds(spokenUs) };
    }
  }

  /** The cell of a client's time: its own, an empty one, or that of the client with the fullest bucket. */
  #placeOf(key: bigint, nowUs: bigint): number {
    const first = Number(BigInt.asUintN(32, key)) % ENTRIES;
    let victim = -1;
    let victimUs = 0n;
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = SEED_CELLS + ((first + probe) % ENTRIES) * CELLS;
      const owner = Atomics.load(this.#table, entry);
      if (owner === key) return entry + 1;
      const untilUs = owner === 0n ? -1n : Atomics.load(this.#table, entry + 1);
      if (victim < 0 || untilUs < victimUs) [victim, victimUs] = [entry, untilUs];
    }
    return this.#claim(victim, key, nowUs);
  }

  /**
   * Takes an entry over for a client. Where another worker is faster, the two share it until one of them moves on. The time is
   * begun anew only if it is still the one before: other workers may have spent all of the burst since the entry was taken.
   */
  #claim(entry: number, key: bigint, nowUs: bigint): number {
    const owner = Atomics.load(this.#table, entry);
    const timeUs = Atomics.load(this.#table, entry + 1);
    if (owner !== key && Atomics.compareExchange(this.#table, entry, owner, key) === owner) {
      Atomics.compareExchange(this.#table, entry + 1, timeUs, nowUs);
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

function seconds(us: bigint): number {
  return Math.max(1, Math.ceil(Number(us) / 1_000_000));
}

/**
 * The prefix of an address that identifies a client, in one spelling; an IPv4 address written as IPv6 counts as IPv4. Any other text is
 * returned unchanged.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { addressPrefix } from "./client_rate.ts";
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
