/** Signals within this time are one request: a terminal and a program between may both pass on the same Ctrl+C. */
const SAME_STOP_MS = 500;

/** Options of {@linkcode StopRequests}. */
export interface StopRequestsOptions {
  /** Ends the process: nothing is waited for any more. */
  readonly exit: () => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** Requests to stop: the first one begins it, the next ends what is waited for at that time. */
export class StopRequests {
  readonly #options: StopRequestsOptions;
  readonly #asked = Promise.withResolvers<void>();
  readonly #skip = new AbortController();
  #lastMs: number | null = null;
  #isDelayed = false;

  constructor(options: StopRequestsOptions) {
    this.#options = options;
  }

  /** Settles when a stop is asked for. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  /** Takes a signal. */
  signal(): void {
    const nowMs = this.#options.now();
    const isSame = this.#lastMs !== null && nowMs - this.#lastMs <= SAME_STOP_MS;
    const isFirst = this.#lastMs === null;
    if (!isSame) this.#lastMs = nowMs;
    if (isFirst) this.ask();
    if (isSame) return;
    // Where the delay goes on at the first signal, it was asked for by another way before.
    if (this.#isDelayed) this.#skip.abort();
    else if (!isFirst) this.#options.exit();
  }

  /** Takes a request by another way: repeating it changes nothing. */
  ask(): void {
    this.#asked.resolve();
  }

  /** Runs what delays the stop; a further signal aborts it. */
  async delay(work: (skipped: AbortSignal) => Promise<void>): Promise<void> {
    this.#isDelayed = true;
    try {
      await work(this.#skip.signal);
    } finally {
      this.#isDelayed = false;
    }
  }
}
