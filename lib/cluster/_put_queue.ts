import type { Clock } from "../clock.ts";

/** A change that waits to be made. */
export interface PutTask {
  readonly bytes: number;
  /** Makes it; it never rejects. */
  readonly run: () => Promise<void>;
  /** It will not be made. */
  readonly drop: () => void;
}

/** Bounds of a queue. */
export interface PutQueueOptions {
  readonly clock: Clock;
  /** @default 8 MiB */
  readonly maxBytes?: number;
  /** @default 1,024 */
  readonly maxTasks?: number;
  /**
   * Tasks under way at a time.
   * @default 16
   */
  readonly width?: number;
  /**
   * A task that waits longer is dropped.
   * @default two seconds
   */
  readonly patienceMs?: number;
}

interface Waiting extends PutTask {
  readonly untilMs: number;
}

/** Changes of entries on their way to the engine: bounded, nobody waits for them, and what comes too fast or gets too old is dropped. */
export class PutQueue {
  readonly #options: Required<PutQueueOptions>;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #bytes = 0;
  #idle: (() => void)[] = [];

  constructor(options: PutQueueOptions) {
    this.#options = { maxBytes: 8 * 1024 * 1024, maxTasks: 1_024, width: 16, patienceMs: 2_000, ...options };
  }

  /** Tasks that wait or are under way. */
  get size(): number {
    return this.#waiting.length + this.#running;
  }

  /** Takes a task, or drops it at once. */
  push(task: PutTask): void {
    const { clock, maxBytes, maxTasks, patienceMs } = this.#options;
    if (this.size >= maxTasks || this.#bytes + task.bytes > maxBytes) return task.drop();
    this.#bytes += task.bytes;
    this.#waiting.push({ ...task, untilMs: clock.now() + patienceMs });
    this.#next();
  }

  /** Settles when nothing waits or is under way. */
  async idle(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #next(): void {
    while (this.#running < this.#options.width && this.#waiting.length > 0) {
      const task = this.#waiting.shift()!;
      if (this.#options.clock.now() > task.untilMs) {
        this.#bytes -= task.bytes;
        task.drop();
        continue;
      }
      this.#running++;
      task.run().finally(() => {
        this.#running--;
        this.#bytes -= task.bytes;
        this.#next();
      });
    }
    if (this.size === 0) { for (const wake of this.#idle.splice(0)) wake(); }
  }
}
