import { lowBits } from "../clock.ts";
import type { RateShare } from "../rate_share.ts";

/** Rate of one key, or of all keys of a pool together. */
export interface KeyLimits {
  readonly maxPerSecond: number;
  /** Requests at once after a pause. */
  readonly burst: number;
}

/** Thousandths of a request that may be sent now. */
const TOKENS = 0;
/** Low 32 bits of milliseconds since the Unix epoch: a difference is right across their overflow. */
const FILLED_AT_MS = 1;
/** Thousandths of a request per second; 0 for the configured maximum. */
const RATE = 2;

/** 32-bit cells of a rate. */
export const RATE_CELLS = 3;

const ONE = 1000;
const CLOCK_SET_BACK_MS = 1000;
/** A gateway's share may grow at any time: nobody waits for its next request without looking again. */
const LONGEST_WAIT_MS = 1000;
/** Factor of the rate after a 429, and share of the maximum that each good answer gives back. */
const SLOWER = 0.5;
const FASTER = 0.01;

/** A token bucket that all workers take from, in shared memory, without locks. */
export class SharedRate {
  readonly #cells: Int32Array;
  readonly #limits: KeyLimits;
  readonly #share: RateShare | null;

  /** @param cells {@linkcode RATE_CELLS} of them, all 0 at first */
  constructor(cells: Int32Array, limits: KeyLimits, share: RateShare | null = null) {
    this.#cells = cells;
    this.#limits = limits;
    this.#share = share;
    share?.ask(limits.maxPerSecond);
  }

  /** Requests per second that may be sent now. */
  get perSecond(): number {
    const rate = Atomics.load(this.#cells, RATE) / ONE;
    const max = this.#share?.of(this.#limits.maxPerSecond) ?? this.#limits.maxPerSecond;
    return rate === 0 ? max : Math.min(rate, max);
  }

  /** Takes one request, where there is room. */
  tryTake(nowMs: number): boolean {
    this.#share?.want();
    this.#refill(nowMs);
    if (Atomics.sub(this.#cells, TOKENS, ONE) >= ONE) return true;
    this.giveBack();
    return false;
  }

  /** Returns a request that was taken and not sent. */
  giveBack(): void {
    Atomics.add(this.#cells, TOKENS, ONE);
  }

  /** Whether one more request may be sent now. */
  hasRoom(nowMs: number): boolean {
    return this.#missing(nowMs) <= 0;
  }

  /** Milliseconds until one more request may be sent, if no other worker sends one. */
  roomInMs(nowMs: number): number {
    const missing = this.#missing(nowMs);
    return missing <= 0 ? 0 : Math.min(LONGEST_WAIT_MS, Math.ceil(missing / this.perSecond));
  }

  /** Lowers the rate after a 429. */
  slowDown(nowMs: number): void {
    Atomics.store(this.#cells, RATE, Math.max(ONE, Math.round(this.perSecond * SLOWER * ONE)));
    Atomics.store(this.#cells, FILLED_AT_MS, lowBits(nowMs));
    Atomics.store(this.#cells, TOKENS, 0);
  }

  /** Raises the rate by a step after a good answer. */
  speedUp(): void {
    const rate = Atomics.load(this.#cells, RATE);
    if (rate === 0) return;
    const { maxPerSecond } = this.#limits;
    const next = rate + Math.max(1, Math.round(maxPerSecond * FASTER * ONE));
    Atomics.compareExchange(this.#cells, RATE, rate, next >= maxPerSecond * ONE ? 0 : next);
  }

  get #fullTokens(): number {
    const { burst, maxPerSecond } = this.#limits;
    return this.#share === null
      ? burst * ONE
      : Math.max(ONE, burst * ONE * this.#share.of(maxPerSecond) / maxPerSecond);
  }

  /** Thousandths of a request until there is room for one. */
  #missing(nowMs: number): number {
    this.#refill(nowMs);
    return ONE - Atomics.load(this.#cells, TOKENS);
  }

  /** Adds the tokens of the elapsed time. The worker that moves the clock on adds them. */
  #refill(nowMs: number): void {
    const now = lowBits(nowMs);
    const last = Atomics.load(this.#cells, FILLED_AT_MS);
    const elapsedMs = (now - last) | 0;
    // Of a rate that gateways share nothing may be there yet.
    const atFirst = this.#share?.isShared ? 0 : this.#fullTokens;
    const earned = last === 0 ? atFirst : Math.floor(Math.max(0, elapsedMs) * this.perSecond);
    // Another worker's clock may be a moment ahead; a clock that was set back starts over without tokens.
    if (earned === 0 && elapsedMs > -CLOCK_SET_BACK_MS && last !== 0) return;
    if (Atomics.compareExchange(this.#cells, FILLED_AT_MS, last, now) !== last) return;
    const tokens = Atomics.load(this.#cells, TOKENS);
    // A reload may have lowered the burst.
    Atomics.add(this.#cells, TOKENS, Math.min(earned, Math.floor(this.#fullTokens) - tokens));
  }
}
