const TICK_MS = 100;

/** Measures how late timers fire: the time for which the event loop was busy with something else. */
export class LoopMonitor {
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
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#expectedMs);
    this.#expectedMs = nowMs + TICK_MS;
  }
}
