/** Work that goes on after its response: counted, bounded, its errors caught, waited for at the end. */
export class BackgroundTasks {
  readonly #running = new Set<Promise<void>>();
  readonly #limit: number;
  readonly #onError: (error: unknown) => void;

  constructor(limit: number, onError: (error: unknown) => void) {
    this.#limit = limit;
    this.#onError = onError;
  }

  /** Tasks under way. */
  get size(): number {
    return this.#running.size;
  }

  /** Whether one more optional task would be too many. */
  get isFull(): boolean {
    return this.#running.size >= this.#limit;
  }

  /** Keeps hold of a task until it ends. */
  add(task: Promise<unknown>): void {
    const running: Promise<void> = task.then(() => {}, this.#onError).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits for what is under way, and what begins meanwhile, at most `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const expiry = new Promise<void>((resolve) => timer = setTimeout(resolve, graceMs)).then(() => isOver = true);
    while (this.#running.size > 0 && !isOver) await Promise.race([Promise.all(this.#running), expiry]);
    clearTimeout(timer);
  }
}
