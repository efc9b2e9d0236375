import { lowBits } from "../clock.ts";
import { TurnQueue } from "./turn_queue.ts";

/** How many requests of a listener may be at upstreams, and how long others wait. */
export interface AdmissionOptions {
  /** Of all workers. */
  readonly maxInFlight: number;
  /** Requests that may wait, in this worker. */
  readonly queueSize: number;
  readonly queueTimeoutMs: number;
}

/** Which cells are this worker's. */
export interface AdmissionPlace {
  /** This worker's number, from 0. */
  readonly worker: number;
  readonly workers: number;
}

/** How many 32-bit cells a listener needs for so many workers. */
export function admissionCells(workers: number): number {
  return 2 * workers;
}

/** What a worker's oldest waiting request is believed for beyond the time it may wait: its worker may have died. */
const STALE_MS = 1_000;

/**
 * Holds a listener to its requests in flight, over all workers, through shared memory: each worker counts its own, so that one
 * that dies takes its count with it. Those over the limit wait, and are let in in the order in which they came, whichever
 * worker they are in.
 */
export class Admission {
  readonly #cells: Int32Array;
  readonly #options: AdmissionOptions;
  readonly #place: AdmissionPlace;
  readonly #queue: TurnQueue;

  /** @param cells of {@linkcode admissionCells} length, all 0 at first, over a `SharedArrayBuffer` where workers share it */
  constructor(cells: Int32Array, options: AdmissionOptions, place: AdmissionPlace) {
    this.#cells = cells;
    this.#options = options;
    this.#place = place;
    this.#queue = new TurnQueue(options.queueSize);
    // A worker that was replaced left its counts behind.
    Atomics.store(cells, place.worker, 0);
    this.#tellOldest();
  }

  /** Requests in flight, of all workers. */
  get inFlight(): number {
    let sum = 0;
    for (let worker = 0; worker < this.#place.workers; worker++) sum += Atomics.load(this.#cells, worker);
    return sum;
  }

  /** Requests that wait in this worker. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Lets a request in, at once or when it is its turn; `false` where it has waited in vain or too many wait. {@linkcode leave} is its end. */
  async enter(signal: AbortSignal | undefined): Promise<boolean> {
    const sinceMs = Date.now();
    if (this.#queue.size === 0 && this.#tryEnter(sinceMs)) return true;
    const turn = this.#queue.take(() => this.#tryEnter(this.#queue.oldestMs ?? sinceMs) || null, {
      waitMs: this.#options.queueTimeoutMs,
      signal,
    });
    this.#tellOldest();
    const entered = await turn;
    this.#tellOldest();
    return entered !== null;
  }

  /** A request that was let in has ended. */
  leave(): void {
    Atomics.sub(this.#cells, this.#place.worker, 1);
    if (this.#queue.size > 0) this.#queue.advance();
  }

  /** Takes a place unless all are taken or somebody in another worker has waited for longer. */
  #tryEnter(sinceMs: number): boolean {
    if (this.#isBehindOthers(sinceMs)) return false;
    Atomics.add(this.#cells, this.#place.worker, 1);
    if (this.inFlight <= this.#options.maxInFlight) return true;
    Atomics.sub(this.#cells, this.#place.worker, 1);
    return false;
  }

  #isBehindOthers(sinceMs: number): boolean {
    const { worker: own, workers } = this.#place;
    for (let worker = 0; worker < workers; worker++) {
      const oldest = Atomics.load(this.#cells, workers + worker);
      if (worker === own || oldest === 0) continue;
      const aheadMs = (lowBits(sinceMs) - oldest) | 0;
      if (aheadMs > 0 && aheadMs < this.#options.queueTimeoutMs + STALE_MS) return true;
    }
    return false;
  }

  #tellOldest(): void {
    const { worker, workers } = this.#place;
    const oldestMs = this.#queue.oldestMs;
    Atomics.store(this.#cells, workers + worker, oldestMs === null ? 0 : lowBits(oldestMs));
  }
}
