import { lowBits } from "../clock.ts";
import { TurnQueue } from "./turn_queue.ts";

/** Limits on a listener's requests at upstreams, and on those that wait. */
export interface AdmissionOptions {
  /** Of all workers. */
  readonly maxInFlight: number;
  /** Requests that may wait, in this worker. */
  readonly queueSize: number;
  readonly queueTimeoutMs: number;
}

/** This worker's place among all. */
export interface AdmissionPlace {
  /** This worker's number, from 0. */
  readonly worker: number;
  readonly workers: number;
}

/** Number of 32-bit cells that a listener needs. */
export function admissionCells(workers: number): number {
  return 2 * workers;
}

/** Time beyond the wait limit after which another worker's oldest waiting request is ignored: that worker may have died. */
const STALE_MS = 1_000;

/**
 * Limits a listener's requests in flight over all workers, through shared memory: each worker counts its own, so that the count of one
 * that dies ends with it. Requests over the limit wait, and are admitted in the order in which they came to any worker.
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
    this.#publishOldest();
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

  /** Admits a request, at once or in its turn; `false` where its time is up or too many wait. {@linkcode leave} ends it. */
  async enter(signal: AbortSignal | undefined): Promise<boolean> {
    const sinceMs = Date.now();
    if (this.#queue.size === 0 && this.#tryEnter(sinceMs)) return true;
    const turn = this.#queue.take(() => this.#tryEnter(this.#queue.oldestMs ?? sinceMs) || null, {
      waitMs: this.#options.queueTimeoutMs,
      signal,
    });
    this.#publishOldest();
    const entered = await turn;
    this.#publishOldest();
    return entered !== null;
  }

  /** Ends a request that was admitted. */
  leave(): void {
    Atomics.sub(this.#cells, this.#place.worker, 1);
    if (this.#queue.size > 0) this.#queue.advance();
  }

  /** Takes a place unless all are taken or a request in another worker has waited for longer. */
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

  #publishOldest(): void {
    const { worker, workers } = this.#place;
    const oldestMs = this.#queue.oldestMs;
    Atomics.store(this.#cells, workers + worker, oldestMs === null ? 0 : lowBits(oldestMs));
  }
}
