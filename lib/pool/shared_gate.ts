import type { RateShare } from "../rate_share.ts";
import type { UpstreamGate } from "./upstream.ts";

/** Limits of one upstream for all workers together. */
export interface GateLimits {
  /** Requests in flight; `null` for no limit. */
  readonly maxInFlight: number | null;
  /** Requests per second; `null` for no limit. */
  readonly maxPerSecond: number | null;
}

/** The cell that a worker counts in. */
export interface GatePlace {
  /** This worker's number, from 0. */
  readonly worker: number;
  readonly workers: number;
}

/** Thousandths of a request: tokens are counted in them. */
const ONE = 1_000;

/** The bucket holds the requests of a tenth of a second, so that a limit per second is not spent in one burst. */
const BURST_SECONDS = 0.1;

const TOKENS = 0;
const FILLED_AT = 1;
const FIRST_WORKER = 2;

/** 32-bit cells of a gate for a number of workers. */
export function gateCells(workers: number): number {
  return FIRST_WORKER + workers;
}

/**
 * A gate in memory that all workers share: a token bucket for the rate, and a count of requests in flight for each worker, so that
 * the count of a dead worker goes with it. No locks and no messages: two workers may pick at the same instant, so the limit in
 * flight may be exceeded briefly, by a few.
 */
export class SharedGate implements UpstreamGate {
  readonly #cells: Int32Array;
  readonly #limits: GateLimits;
  readonly #own: number;
  readonly #end: number;
  readonly #share: RateShare | null;

  /** @param cells of {@linkcode gateCells} length, all 0 at first, over a `SharedArrayBuffer` where workers share it */
  constructor(cells: Int32Array, limits: GateLimits, place: GatePlace, share: RateShare | null = null) {
    this.#share = share;
    if (limits.maxPerSecond !== null) share?.ask(limits.maxPerSecond);
    this.#cells = cells;
    this.#limits = limits;
    this.#own = FIRST_WORKER + place.worker;
    this.#end = FIRST_WORKER + place.workers;
    // The count of the worker that this one replaces.
    Atomics.store(cells, this.#own, 0);
  }

  /** Requests in flight, of all workers. */
  get inFlight(): number {
    let sum = 0;
    for (let cell = FIRST_WORKER; cell < this.#end; cell++) sum += Atomics.load(this.#cells, cell);
    return sum;
  }

  hasRoom(nowMs: number): boolean {
    const { maxInFlight, maxPerSecond } = this.#limits;
    if (maxInFlight !== null && this.inFlight >= maxInFlight) return false;
    if (maxPerSecond === null) return true;
    this.#share?.want();
    this.#refill(nowMs, this.#share?.of(maxPerSecond) ?? maxPerSecond);
    return Atomics.load(this.#cells, TOKENS) >= ONE;
  }

  enter(_nowMs: number): void {
    Atomics.add(this.#cells, this.#own, 1);
    if (this.#limits.maxPerSecond !== null) Atomics.sub(this.#cells, TOKENS, ONE);
  }

  leave(): void {
    if (Atomics.load(this.#cells, this.#own) > 0) Atomics.sub(this.#cells, this.#own, 1);
  }

  /** Adds the tokens of the elapsed time. The worker that moves the clock on adds them. */
  #refill(nowMs: number, maxPerSecond: number): void {
    const now = Math.floor(nowMs) | 0;
    const last = Atomics.load(this.#cells, FILLED_AT);
    // The clock's low 32 bits: the difference is right across their overflow.
    // Of a rate that gateways share nothing may be there yet.
    const elapsedMs = last === 0 ? (this.#share?.isShared ? 0 : 1_000) : (now - last) | 0;
    const earned = elapsedMs < 0 ? 0 : Math.floor(Math.min(elapsedMs, 1_000) * maxPerSecond / 1_000 * ONE);
    if (earned === 0 && elapsedMs >= 0 && last !== 0) return;
    if (Atomics.compareExchange(this.#cells, FILLED_AT, last, now) !== last) return;
    const burst = Math.max(ONE, Math.round(maxPerSecond * BURST_SECONDS * ONE));
    const tokens = Atomics.load(this.#cells, TOKENS);
    Atomics.add(this.#cells, TOKENS, Math.min(earned, burst - tokens));
  }
}
