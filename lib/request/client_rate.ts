import { type ClientIdentityOptions, ClientTable } from "./client_table.ts";

/** The quota of each client of a listener. */
export interface ClientRateOptions extends ClientIdentityOptions {
  readonly requests: number;
  readonly perMs: number;
  /** Requests at once after a pause. */
  readonly burst: number;
}

/** Whether a request is within its client's quota, and the quota after it. */
export interface RateVerdict {
  readonly allowed: boolean;
  /** What is left at once: requests, or bytes. */
  readonly remaining: number;
  /** Seconds until a request is allowed (refused), or until all of the quota is back. */
  readonly resetSeconds: number;
}

/** A time that lies further ahead than a full bucket and this says that the clock was set back; in microseconds. More than {@linkcode MAX_DEBT_US}. */
const SET_BACK_US = 10_000_000n;

/**
 * Token buckets of clients, counted in requests. A bucket is one number, the time until which it is spent (GCRA), so that a request is
 * one compare-and-exchange.
 */
export class ClientRate {
  readonly #table: ClientTable;
  readonly #eachUs: bigint;
  readonly #burstUs: bigint;
  readonly #whole: { readonly eachUs: bigint; readonly burstUs: bigint };
  /** The member of the `RateLimit-Policy` field (draft-ietf-httpapi-ratelimit-headers). */
  readonly policyField: string;

  constructor(memory: SharedArrayBuffer, options: ClientRateOptions) {
    this.#table = new ClientTable(memory, options);
    this.#eachUs = BigInt(Math.max(1, Math.round(options.perMs * 1_000 / options.requests)));
    this.#burstUs = this.#eachUs * BigInt(options.burst);
    this.#whole = { eachUs: this.#eachUs, burstUs: this.#burstUs };
    this.policyField = `"default";q=${options.requests};w=${windowSeconds(options.perMs)}`;
  }

  /** The member of the `RateLimit` field for a verdict. */
  field({ remaining, resetSeconds }: RateVerdict): string {
    return `"default";r=${remaining};t=${resetSeconds}`;
  }

  /** Takes one request from a client's quota, if there is one left. */
  take(client: string, header: (name: string) => string | null, nowMs: number): RateVerdict {
    const key = this.#table.keyOf(client, header);
    return this.#spend(this.#table.placeOf(key, microseconds(nowMs)), nowMs);
  }

  /** Seconds until an address may ask again; 0 where it may now. Takes nothing. */
  waitSeconds(address: string, nowMs: number): number {
    const cell = this.#table.find(this.#table.keyOfAddress(address));
    if (cell < 0) return 0;
    const aheadUs = Atomics.load(this.#table.cells, cell) - microseconds(nowMs);
    const { eachUs, burstUs } = this.#share();
    const waitUs = aheadUs + eachUs - burstUs;
    return waitUs <= 0n || aheadUs > burstUs + SET_BACK_US ? 0 : wholeSeconds(waitUs);
  }

  /** Of a quota that gateways have divided each has a part, and at least one request of its burst. */
  #share(): { readonly eachUs: bigint; readonly burstUs: bigint } {
    const { divisor } = this.#table;
    if (divisor === 1) return this.#whole;
    const eachUs = this.#eachUs * BigInt(divisor);
    return { eachUs, burstUs: eachUs > this.#burstUs ? eachUs : this.#burstUs };
  }

  #spend(cell: number, nowMs: number): RateVerdict {
    const nowUs = microseconds(nowMs);
    const { cells } = this.#table;
    const { eachUs, burstUs } = this.#share();
    for (;;) {
      const before = Atomics.load(cells, cell);
      // Much further off than it can be: the clock was set back. A little further only means that this worker read it a while ago.
      const isSetBack = before - nowUs > burstUs + SET_BACK_US;
      const from = before > nowUs && !isSetBack ? before : nowUs;
      const after = from + eachUs;
      const spokenUs = after - nowUs;
      if (spokenUs > burstUs) {
        // Else what it goes on to spend at other gateways would not be known here.
        this.#table.tell(cell, 0n, burstUs);
        return { allowed: false, remaining: 0, resetSeconds: wholeSeconds(spokenUs - burstUs) };
      }
      if (Atomics.compareExchange(cells, cell, before, after) !== before) continue;
      this.#table.tell(cell, eachUs, burstUs);
      const remaining = Number((burstUs - spokenUs) / eachUs);
      return { allowed: true, remaining, resetSeconds: wholeSeconds(spokenUs) };
    }
  }
}

/** A time in whole microseconds. */
export function microseconds(timeMs: number): bigint {
  return BigInt(Math.round(timeMs)) * 1_000n;
}

/** At least one second. */
export function wholeSeconds(us: bigint): number {
  return Math.max(1, Math.ceil(Number(us) / 1_000_000));
}

/** The time that a quota is for, as `RateLimit-Policy` has it. */
export function windowSeconds(perMs: number): number {
  return Math.max(1, Math.ceil(perMs / 1_000));
}
