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
      this.#table.tell(cell, 0n, this.#fullUs + MAX_DEBT_US);
      return { allowed: false, remaining: 0, resetSeconds: wholeSeconds(aheadUs - this.#fullUs) };
    }
    const remaining = Math.floor(this.#options.bytes * Number(this.#fullUs - aheadUs) / Number(this.#fullUs));
    return { allowed: true, remaining, resetSeconds: wholeSeconds(aheadUs) };
  }

  /**
   * Takes bytes from a client's quota in place of the `heldUs` that were taken before, and answers with what is held for them now, in
   * microseconds: less than they cost where the client is as far over as it can be. Only that may be given back.
   */
  charge(key: bigint, bytes: number, nowMs: number, heldUs = 0n): bigint {
    const { divisor } = this.#table;
    const costUs = BigInt(Math.round(bytes * divisor * Number(this.#fullUs) / this.#options.bytes));
    if (costUs === heldUs) return heldUs;
    const { cells } = this.#table;
    const nowUs = microseconds(nowMs);
    const cell = this.#table.placeOf(key, nowUs);
    for (;;) {
      const before = Atomics.load(cells, cell);
      const aheadUs = this.#aheadUs(before, nowUs) - heldUs + costUs;
      const overUs = aheadUs - (this.#fullUs + MAX_DEBT_US);
      const after = nowUs + (aheadUs < 0n ? 0n : overUs > 0n ? aheadUs - overUs : aheadUs);
      if (Atomics.compareExchange(cells, cell, before, after) !== before) continue;
      const takenUs = overUs > 0n ? costUs - overUs : costUs;
      this.#table.tell(cell, takenUs - heldUs, this.#fullUs + MAX_DEBT_US);
      return takenUs;
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
  #heldUs = 0n;

  constructor(rate: ByteRate, key: bigint, clock: Clock) {
    this.#rate = rate;
    this.#key = key;
    this.#clock = clock;
  }

  /** Charges all that the response is known to hold; called again when it ends, with what was sent. */
  settle(bytes: number): void {
    this.#heldUs = this.#rate.charge(this.#key, bytes, this.#clock.now(), this.#heldUs);
  }
}
