import { lowBits } from "../clock.ts";
/** How many requests one key, or all keys of a pool together, are given. */
export interface KeyLimits {
  readonly maxPerSecond: number;
  /** Requests at once after a pause. */
  readonly burst: number;
}

/** Thousandths of a request that may be sent now. */
const TOKENS = 0;
/** Low 32 bits of milliseconds since the Unix epoch: a difference is right across their overflow. */
const FILLED_AT_MS = 1;
/** Thousandths of a request per second; 0 is all that is allowed. */
const RATE = 2;

/** How many 32-bit cells a rate takes. */
export const RATE_CELLS = 3;

const ONE = 1000;
const CLOCK_SET_BACK_MS = 1000;
/** What of the rate is left after a 429, and what of the allowed rate each good answer gives back. */
const SLOWER = 0.5;
const FASTER = 0.01;

/** A token bucket that all workers take from, in shared memory, without locks. */
export class SharedRate {
  readonly #cells: Int32Array;
  readonly #limits: KeyLimits;

  /** @param cells {@linkcode RATE_CELLS} of them, all 0 at first */
  constructor(cells: Int32Array, limits: KeyLimits) {
    this.#cells = cells;
    this.#limits = limits;
  }

  /** Requests per second that may be sent now. */
  get perSecond(): number {
    const rate = Atomics.load(this.#cells, RATE) / ONE;
    return rate === 0 ? this.#limits.maxPerSecond : Math.min(rate, this.#limits.maxPerSecond);
  }

  /** Takes what one request costs, if it is there. */
  tryTake(nowMs: number): boolean {
    this.#refill(nowMs);
    if (Atomics.sub(this.#cells, TOKENS, ONE) >= ONE) return true;
    this.giveBack();
    return false;
  }

  /** What was taken is not used. */
  giveBack(): void {
    Atomics.add(this.#cells, TOKENS, ONE);
  }

  /** Whether one more request may be sent now. */
  hasRoom(nowMs: number): boolean {
    return this.#missing(nowMs) <= 0;
  }

  /** Milliseconds until one more request may be sent, if nobody else sends one. */
  roomInMs(nowMs: number): number {
    const missing = this.#missing(nowMs);
    return missing <= 0 ? 0 : Math.ceil(missing / this.perSecond);
  }

  /** The limit is lower than was thought. */
  slowDown(nowMs: number): void {
    Atomics.store(this.#cells, RATE, Math.max(ONE, Math.round(this.perSecond * SLOWER * ONE)));
    Atomics.store(this.#cells, FILLED_AT_MS, lowBits(nowMs));
    Atomics.store(this.#cells, TOKENS, 0);
  }

  /** A request was answered well: a part of the rate comes back. */
  speedUp(): void {
    const rate = Atomics.load(this.#cells, RATE);
    if (rate === 0) return;
    const { maxPerSecond } = this.#limits;
    const next = rate + Math.max(1, Math.round(maxPerSecond * FASTER * ONE));
    Atomics.compareExchange(this.#cells, RATE, rate, next >= maxPerSecond * ONE ? 0 : next);
  }

  get #fullTokens(): number {
    return this.#limits.burst * ONE;
  }

  /** Thousandths of a request that are missing to one. */
  #missing(nowMs: number): number {
    this.#refill(nowMs);
    return ONE - Atomics.load(this.#cells, TOKENS);
  }

  /** Adds what time has earned. The worker that moves the clock on is the one that adds. */
  #refill(nowMs: number): void {
    const now = lowBits(nowMs);
    const last = Atomics.load(this.#cells, FILLED_AT_MS);
    const elapsedMs = (now - last) | 0;
    const earned = last === 0 ? this.#fullTokens : Math.floor(Math.max(0, elapsedMs) * this.perSecond);
    // Another worker's reading may be a moment ahead; a clock that was set back begins anew, with nothing earned.
    if (earned === 0 && elapsedMs > -CLOCK_SET_BACK_MS) return;
    if (Atomics.compareExchange(this.#cells, FILLED_AT_MS, last, now) !== last) return;
    const tokens = Atomics.load(this.#cells, TOKENS);
    // A burst that a reload has made smaller is cut.
    Atomics.add(this.#cells, TOKENS, Math.min(earned, this.#fullTokens - tokens));
  }
}
