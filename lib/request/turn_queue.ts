/** Limits of a wait. */
export interface TurnOptions {
  readonly waitMs: number;
  /** Ends the wait: the client has left. */
  readonly signal?: AbortSignal;
}

/** Interval of the poll. */
const POLL_MS = 5;

interface Waiting {
  /** Tries to take; `false` where nothing is free. */
  readonly attempt: () => boolean;
  readonly sinceMs: number;
}

/**
 * Requests that wait for something limited, which other requests give back: a bounded queue, served in order, each with a deadline of
 * its own. It is advanced when this worker gives something back, and polled for what other workers give back.
 */
export class TurnQueue {
  readonly #limit: number;
  readonly #waiting = new Set<Waiting>();
  #poll: ReturnType<typeof setTimeout> | undefined;

  /** @param limit requests that may wait; one more is turned away */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Requests that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Milliseconds since the Unix epoch at which the first in the queue began to wait; `null` where none does. */
  get oldestMs(): number | null {
    for (const { sinceMs } of this.#waiting) return sinceMs;
    return null;
  }

  /**
   * Waits until it is this request's turn and `attempt` returns something; `null` where the queue is full, the time is up or the signal
   * aborts.
   */
  take<T>(attempt: () => T | null, { waitMs, signal }: TurnOptions): Promise<T | null> {
    if (this.#waiting.size >= this.#limit || waitMs <= 0 || signal?.aborted) return Promise.resolve(null);
    return new Promise((resolve) => {
      const leave = (taken: T | null) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", giveUp);
        this.#waiting.delete(waiting);
        resolve(taken);
      };
      const giveUp = () => leave(null);
      const waiting: Waiting = {
        sinceMs: Date.now(),
        attempt() {
          const taken = attempt();
          if (taken !== null) leave(taken);
          return taken !== null;
        },
      };
      const timer = setTimeout(giveUp, waitMs);
      signal?.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(waiting);
      this.#poll ??= setTimeout(() => this.#look(), POLL_MS);
    });
  }

  /** Serves the requests whose turn it is. Called when something was given back. */
  advance(): void {
    for (const waiting of this.#waiting) if (!waiting.attempt()) return;
  }

  #look(): void {
    this.#poll = undefined;
    this.advance();
    if (this.#waiting.size > 0) this.#poll ??= setTimeout(() => this.#look(), POLL_MS);
  }
}
