/** How many retries may run beside the requests that are under way. */
export interface RetryBudgetOptions {
  /** Share of the active requests, 0 to 1. */
  readonly share: number;
  /** As many may run however few requests are active. */
  readonly floor: number;
  /** As many may wait; one more is refused. */
  readonly queue: number;
}

/** Defaults of {@linkcode RetryBudgetOptions}: Envoy's share and floor. */
export const RETRY_BUDGET_DEFAULTS: RetryBudgetOptions = { share: 0.2, floor: 3, queue: 1_024 };

/** A retry that waits for its turn. */
interface Waiting {
  readonly admit: (admitted: boolean) => void;
}

/**
 * Bounds the retries that run at the same time to a share of the active requests, so that a failing upstream is not
 * buried under them, nor the others under its load. A retry over the budget waits for its turn, in order, until its
 * deadline: where many requests fail at once and another upstream is well, all are served, one after the other.
 *
 * Only tries that put load on an upstream need a place: a connection that was refused did not.
 */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  readonly #waiting = new Set<Waiting>();
  #active = 0;
  #retrying = 0;

  constructor(options: RetryBudgetOptions = RETRY_BUDGET_DEFAULTS) {
    this.#options = options;
  }

  /** Retries under way. */
  get retrying(): number {
    return this.#retrying;
  }

  /** Retries that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Retries that may be under way at the moment. */
  get limit(): number {
    return Math.max(this.#options.floor, Math.floor(this.#active * this.#options.share));
  }

  /** A request has begun. Each call is paired with one of {@linkcode requestEnded}. */
  requestBegan(): void {
    this.#active++;
    this.#admit();
  }

  /** That request has ended. */
  requestEnded(): void {
    if (this.#active > 0) this.#active--;
  }

  /** Takes a place for a retry if there is one and nobody waits for it; {@linkcode release} gives it back. */
  tryTake(): boolean {
    if (this.#waiting.size > 0 || this.#retrying >= this.limit) return false;
    this.#retrying++;
    return true;
  }

  /**
   * Waits for a place. `false` when `signal` ends the wait first or too many wait already; else {@linkcode release}
   * gives the place back.
   */
  take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.tryTake()) return Promise.resolve(true);
    if (this.#waiting.size >= this.#options.queue) return Promise.resolve(false);
    return new Promise((resolve) => {
      const leave = () => entry.admit(false);
      const entry: Waiting = {
        admit: (admitted) => {
          this.#waiting.delete(entry);
          signal.removeEventListener("abort", leave);
          resolve(admitted);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(entry);
    });
  }

  /** A retry has ended. */
  release(): void {
    if (this.#retrying > 0) this.#retrying--;
    this.#admit();
  }

  #admit(): void {
    for (const entry of this.#waiting) {
      if (this.#retrying >= this.limit) return;
      this.#retrying++;
      entry.admit(true);
    }
  }
}
