/** Time between two looks at those that wait. */
const TICK_MS = 20;

/** A wait for a moment. */
interface Waiting {
  /** By `performance.now()`. */
  readonly dueMs: number;
  readonly resolve: () => void;
}

/** All waits for a moment behind one timer, which runs only while there are some: a thousand paced responses cost no timer each. */
export class PaceWheel {
  readonly #waiting = new Set<Waiting>();
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Milliseconds, on a clock that never goes back. */
  get nowMs(): number {
    return this.#now();
  }

  /** Those that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Settles at `dueMs` or a tick later; `end` settles it at once. */
  wait(dueMs: number): { readonly over: Promise<void>; readonly end: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = { dueMs, resolve };
    this.#waiting.add(waiting);
    this.#timer ??= setTimeout(() => this.#tick(), TICK_MS);
    const end = () => {
      this.#waiting.delete(waiting);
      resolve();
      if (this.#waiting.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
    return { over: promise, end };
  }

  #tick(): void {
    const nowMs = this.#now();
    for (const waiting of this.#waiting) {
      if (waiting.dueMs > nowMs) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
    this.#timer = this.#waiting.size === 0 ? undefined : setTimeout(() => this.#tick(), TICK_MS);
  }
}
