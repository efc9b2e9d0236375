import type { Outcome } from "./outcome.ts";

/** Whether a circuit lets requests through: all, none, or a few to try. */
export type BreakerState = "closed" | "open" | "half_open";

/** When one worker's breaker opens, and for how long. */
export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly maxFailures: number;
  /** How long it stays open the first time; doubles with each failed probe. */
  readonly openMs: number;
  /** How long it stays open at most. */
  readonly maxOpenMs: number;
}

/** Short on purpose: the health worker, which sees all workers and checks, decides within 100 ms. */
export const BREAKER_DEFAULTS: BreakerOptions = { maxFailures: 5, openMs: 5_000, maxOpenMs: 60_000 };

/**
 * One worker's circuit breaker for an upstream: it opens at once where the worker sees failures. It closes after a good answer to
 * a probe, or when the health worker reports a recovery.
 */
export class LocalBreaker {
  #options: BreakerOptions;
  #failures = 0;
  #openings = 0;
  #openUntilMs = 0;

  constructor(options: BreakerOptions = BREAKER_DEFAULTS) {
    this.#options = options;
  }

  /** Uses the options of another breaker; its counts stay. */
  useOptionsOf(other: LocalBreaker): void {
    this.#options = other.#options;
  }

  /** Milliseconds since the Unix epoch until which it is open; 0 when it is closed. */
  get openUntilMs(): number {
    return this.#openUntilMs;
  }

  state(nowMs: number): BreakerState {
    if (this.#openUntilMs === 0) return "closed";
    // Later than possible: the clock was set back.
    if (this.#openUntilMs - nowMs > this.#options.maxOpenMs) return "half_open";
    return nowMs < this.#openUntilMs ? "open" : "half_open";
  }

  /** Records the outcome of a try; returns whether the state changed. */
  record(outcome: Outcome, nowMs: number): boolean {
    if (outcome === "cancelled" || outcome === "limited") return false;
    if (outcome === "ok") return this.reset();
    this.#failures++;
    const state = this.state(nowMs);
    if (state === "open") return false;
    if (state === "closed" && this.#failures < this.#options.maxFailures) return false;
    this.#open(nowMs);
    return true;
  }

  /** Closes it; returns whether it was open or half-open. */
  reset(): boolean {
    const wasClosed = this.#openUntilMs === 0;
    this.#failures = this.#openings = this.#openUntilMs = 0;
    return !wasClosed;
  }

  #open(nowMs: number): void {
    const { openMs, maxOpenMs } = this.#options;
    this.#openUntilMs = nowMs + Math.min(openMs * 2 ** Math.min(this.#openings, 16), maxOpenMs);
    this.#openings++;
  }
}
