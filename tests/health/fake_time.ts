/** A clock and timers that move only when a test says so. */
export class FakeTime {
  #nowMs = 1_700_000_000_000;
  #timers: { atMs: number; call: () => void }[] = [];

  readonly now = (): number => this.#nowMs;

  readonly schedule = (call: () => void, delayMs: number): () => void => {
    const timer = { atMs: this.#nowMs + delayMs, call };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((other) => other !== timer);
  };

  /** Timers waiting. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Sets the clock, as an administrator does; timers are not of the clock and keep their delays. */
  set(nowMs: number): void {
    for (const timer of this.#timers) timer.atMs += nowMs - this.#nowMs;
    this.#nowMs = nowMs;
  }

  /** Lets this much time pass, timer by timer, each with what it sets off. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await settle();
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.call();
      await settle();
    }
    this.#nowMs = endMs;
  }

  #next(endMs: number): { atMs: number; call: () => void } | undefined {
    const due = this.#timers.filter((timer) => timer.atMs <= endMs);
    return due.toSorted((a, b) => a.atMs - b.atMs)[0];
  }
}

/** Lets promise reactions run: these tests wait for nothing outside. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
