import type { Clock } from "../clock.ts";
import { microseconds, type RateVerdict, wholeSeconds, windowSeconds } from "./client_rate.ts";
import { type ClientIdentityOptions, ClientTable } from "./client_table.ts";

/** What each client of a listener may be sent. */
export interface ByteRateOptions extends ClientIdentityOptions {
  /** Content bytes. */
  readonly bytes: number;
  readonly perMs: number;
}

/** The furthest that a client may be over its quota, in microseconds: one large response keeps nobody out for longer. */
const MAX_DEBT_US = 600_000_000n;
/** A time that lies further ahead than that and this says that the clock was set back; in microseconds. */
const SET_BACK_US = 10_000_000n;

/**
 * The bytes that clients are sent, as token buckets. How large a response is often shows only when it is over, so that a client may go over
 * its quota by what it has under way, and waits the longer before its next request is served.
 */
export class ByteRate {
  readonly #table: ClientTable;
  readonly #options: ByteRateOptions;
  readonly #fullUs: bigint;
  /** The member of the `RateLimit-Policy` field (draft-ietf-httpapi-ratelimit-headers). */
  readonly policyField: string;

  constructor(memory: SharedArrayBuffer, options: ByteRateOptions) {
    this.#table = new ClientTable(memory, options);
    this.#options = options;
    this.#fullUs = BigInt(Math.round(options.perMs)) * 1_000n;
    this.policyField = `"bytes";q=${options.bytes};qu="content-bytes";w=${windowSeconds(options.perMs)}`;
  }

  /** The member of the `RateLimit` field for a verdict. */
  field({ remaining, resetSeconds }: RateVerdict): string {
    return `"bytes";r=${remaining};t=${resetSeconds}`;
  }

  /** Who a client is, for the other methods. */
  keyOf(client: string, header: (name: string) => string | null): bigint {
    return this.#table.keyOf(client, header);
  }

  /** Whether a client has any of its quota left. Takes nothing. */
  look(key: bigint, nowMs: number): RateVerdict {
    const cell = this.#table.find(key);
    const aheadUs = cell < 0 ? 0n : this.#aheadUs(Atomics.load(this.#table.cells, cell), microseconds(nowMs));
    if (aheadUs >= this.#fullUs) {
      return { allowed: false, remaining: 0, resetSeconds: wholeSeconds(aheadUs - this.#fullUs) };
    }
    const remaining = Math.floor(this.#options.bytes * Number(this.#fullUs - aheadUs) / Number(this.#fullUs));
    return { allowed: true, remaining, resetSeconds: wholeSeconds(aheadUs) };
  }

  /** Takes bytes from a client's quota, or gives back those that it was not sent in the end. */
  charge(key: bigint, bytes: number, nowMs: number): void {
    if (bytes === 0) return;
    const { cells } = this.#table;
    const nowUs = microseconds(nowMs);
    const costUs = BigInt(Math.round(bytes * Number(this.#fullUs) / this.#options.bytes));
    const cell = this.#table.placeOf(key, nowUs);
    for (;;) {
      const before = Atomics.load(cells, cell);
      const aheadUs = this.#aheadUs(before, nowUs) + costUs;
      const most = this.#fullUs + MAX_DEBT_US;
      const after = nowUs + (aheadUs < 0n ? 0n : aheadUs > most ? most : aheadUs);
      if (Atomics.compareExchange(cells, cell, before, after) === before) return;
    }
  }

  /** How far ahead a client's quota is spent; 0 where the clock was set back. */
  #aheadUs(spentUntilUs: bigint, nowUs: bigint): bigint {
    const aheadUs = spentUntilUs - nowUs;
    return aheadUs < 0n || aheadUs > this.#fullUs + MAX_DEBT_US + SET_BACK_US ? 0n : aheadUs;
  }
}

/** What one response costs its client. */
export class ByteAccount {
  readonly #rate: ByteRate;
  readonly #key: bigint;
  readonly #clock: Clock;
  #chargedBytes = 0;

  constructor(rate: ByteRate, key: bigint, clock: Clock) {
    this.#rate = rate;
    this.#key = key;
    this.#clock = clock;
  }

  /** Charges all that the response is known to hold; called again when it ends, with what was sent. */
  settle(bytes: number): void {
    this.#rate.charge(this.#key, bytes - this.#chargedBytes, this.#clock.now());
    this.#chargedBytes = bytes;
  }
}
