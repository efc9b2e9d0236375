/** Something that has to happen in time. */
export interface Wait {
  /** On the clock of the wheel. */
  readonly dueMs: number;
  /** It has not happened. */
  readonly onDue: () => void;
}

/** What is waited for on one connection at the same time. */
export class Waits {
  readonly #waits = new Set<Wait>();

  /** When the first of them is due; `Infinity` where there is none. */
  get firstDueMs(): number {
    let firstMs = Infinity;
    for (const { dueMs } of this.#waits) firstMs = Math.min(firstMs, dueMs);
    return firstMs;
  }

  add(wait: Wait): void {
    this.#waits.add(wait);
  }

  /** It has happened. */
  delete(wait: Wait | null): void {
    if (wait !== null) this.#waits.delete(wait);
  }

  clear(): void {
    this.#waits.clear();
  }

  /** Ends those that are due. */
  expire(nowMs: number): void {
    for (const wait of [...this.#waits]) {
      if (wait.dueMs > nowMs) continue;
      this.#waits.delete(wait);
      wait.onDue();
    }
  }
}
