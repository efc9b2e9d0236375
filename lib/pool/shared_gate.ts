import type { UpstreamGate } from "./upstream.ts";

/** Limits on what one upstream is given by all workers together. */
export interface GateLimits {
  /** Requests in flight; `null` for no limit. */
  readonly maxInFlight: number | null;
  /** Requests per second; `null` for no limit. */
  readonly maxPerSecond: number | null;
}

/** Which of the gate's cells a worker counts in. */
export interface GatePlace {
  /** This worker's number, from 0. */
  readonly worker: number;
  readonly workers: number;
}

/** Thousandths of a request: tokens are counted in them. */
const ONE = 1_000;

/** The bucket holds what is allowed in a tenth of a second: a limit per second is not spent in one burst. */
const BURST_SECONDS = 0.1;

const TOKENS = 0;
const FILLED_AT = 1;
const FIRST_WORKER = 2;

/** How many 32-bit cells a gate needs for so many workers. */
export function gateCells(workers: number): number {
  return FIRST_WORKER + workers;
}

/**
 * A gate that all workers share through memory: a token bucket for the rate, and a count of requests in flight that each
 * worker keeps for itself, so that one that dies takes its count with it. No locks and no messages: a choice may be made
 * in two workers at the same instant, so the number in flight may exceed its limit by a few, briefly.
 */
export class SharedGate implements UpstreamGate {
  readonly #cells: Int32Array;
  readonly #limits: GateLimits;
  readonly #own: number;
  readonly #end: number;
  readonly #burst: number;

  /** @param cells of {@linkcode gateCells} length, all 0 at first, over a `SharedArrayBuffer` where workers share it */
  constructor(cells: Int32Array, limits: GateLimits, place: GatePlace) {
    this.#cells = cells;
    this.#limits = limits;
    this.#own = FIRST_WORKER + place.worker;
    this.#end = FIRST_WORKER + place.workers;
    this.#burst = Math.max(ONE, Math.round((limits.maxPerSecond ?? 0) * BURST_SECONDS * ONE));
    // A worker that was replaced left its count behind.
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
    this.#refill(nowMs, maxPerSecond);
    return Atomics.load(this.#cells, TOKENS) >= ONE;
  }

  enter(_nowMs: number): void {
    Atomics.add(this.#cells, this.#own, 1);
    if (this.#limits.maxPerSecond !== null) Atomics.sub(this.#cells, TOKENS, ONE);
  }

  leave(): void {
    if (Atomics.load(this.#cells, this.#own) > 0) Atomics.sub(this.#cells, this.#own, 1);
  }

  /** Adds what time has earned. The worker that moves the clock on is the one that adds. */
  #refill(nowMs: number, maxPerSecond: number): void {
    const now = Math.floor(nowMs) | 0;
    const last = Atomics.load(this.#cells, FILLED_AT);
    // The clock's low 32 bits: the difference is right across their overflow.
    const elapsedMs = last === 0 ? 1_000 : (now - last) | 0;
    const earned = elapsedMs < 0 ? 0 : Math.floor(Math.min(elapsedMs, 1_000) * maxPerSecond / 1_000 * ONE);
    if (earned === 0 && elapsedMs >= 0) return;
    if (Atomics.compareExchange(this.#cells, FILLED_AT, last, now) !== last) return;
    const tokens = Atomics.load(this.#cells, TOKENS);
    Atomics.add(this.#cells, TOKENS, Math.min(earned, this.#burst - tokens));
  }
}
