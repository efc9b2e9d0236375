import { bucketOf, LAG_BUCKETS_MS } from "../../metrics/histogram.ts";

const TICK_MS = 100;

/** How late timers fired: what `LAG_BUCKETS_MS` bounds, not cumulative, and the sum. */
export interface LagCounts {
  readonly buckets: number[];
  sumMs: number;
}

/** Measures ten times a second how late timers fire: the time for which the event loop was busy with something else. */
export class LoopMonitor {
  /** Since the start of the worker. */
  readonly counts: LagCounts = { buckets: Array.from({ length: LAG_BUCKETS_MS.length + 1 }, () => 0), sumMs: 0 };
  readonly #timer: ReturnType<typeof setInterval>;
  #expectedMs = performance.now() + TICK_MS;
  #worstMs = 0;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** The worst lateness since the last call, in milliseconds. */
  takeWorstMs(): number {
    const worstMs = Math.max(this.#worstMs, performance.now() - this.#expectedMs, 0);
    this.#worstMs = 0;
    return Math.round(worstMs);
  }

  /** Stops measuring. */
  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    const lagMs = Math.max(0, nowMs - this.#expectedMs);
    this.#worstMs = Math.max(this.#worstMs, lagMs);
    this.#expectedMs = nowMs + TICK_MS;
    this.counts.buckets[bucketOf(LAG_BUCKETS_MS, lagMs)]!++;
    this.counts.sumMs += lagMs;
  }
}
