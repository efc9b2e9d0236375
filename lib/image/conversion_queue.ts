import type { Conversion, Recipe } from "./conversion.ts";
import type { Codec } from "./sharp_codec.ts";

/** How conversions are bounded. */
export interface QueueOptions {
  /** Conversions at a time. */
  readonly concurrency: number;
  /** Conversions that may wait. */
  readonly queue: number;
  /** Time that one may take, once it has begun. */
  readonly timeoutMs: number;
  /** Of the body that is taken in. */
  readonly maxBytes: number;
  readonly maxPixels: number;
}

/** One conversion that is asked for: its body is fetched only when its turn has come. */
export interface Order {
  readonly recipe: Recipe;
  /** Its bytes; `null` where whoever asked has gone. */
  readonly fetch: () => Promise<Uint8Array<ArrayBuffer> | null>;
  readonly answer: (conversion: Conversion) => void;
}

/** What is under way and what waits. */
export interface QueueFigures {
  readonly running: number;
  readonly waiting: number;
  /** Conversions over their time that have not ended: each keeps a thread. */
  readonly stuck: number;
}

interface Waiting {
  readonly order: Order;
  readonly sinceMs: number;
}

/** How much longer than its time a conversion is waited for: `sharp` ends most of those that are late by itself. */
const LATE_MS = 2_000;
/** How often its time one may wait: clients have long been served something else. */
const WAIT_TIMES = 3;

/** Converts in turn, a few at a time. */
export class ConversionQueue {
  readonly #codec: Codec;
  readonly #waiting: Waiting[] = [];
  #options: QueueOptions;
  #running = 0;
  #stuck = 0;
  /** Called when every place is taken by a conversion that does not end. */
  onJammed: (() => void) | null = null;

  constructor(codec: Codec, options: QueueOptions) {
    this.#codec = codec;
    this.#options = options;
  }

  /** What is under way and what waits. */
  get figures(): QueueFigures {
    return { running: this.#running, waiting: this.#waiting.length, stuck: this.#stuck };
  }

  /** Changes the bounds for what begins from now on. */
  reconfigure(options: QueueOptions): void {
    this.#options = options;
    this.#next();
  }

  /** Takes an order, or refuses it at once. */
  add(order: Order): void {
    if (this.#waiting.length >= this.#options.queue && this.#running >= this.#options.concurrency) {
      return order.answer({ kind: "refused", detail: "the queue is full" });
    }
    this.#waiting.push({ order, sinceMs: performance.now() });
    this.#next();
  }

  #next(): void {
    while (this.#running < this.#options.concurrency) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) return;
      const { order, sinceMs } = waiting;
      if (performance.now() - sinceMs > this.#options.timeoutMs * WAIT_TIMES) {
        order.answer({ kind: "refused", detail: "it waited too long" });
        continue;
      }
      this.#running++;
      // An answer that cannot be given is nobody's to hear of any more.
      this.#run(order).catch(() => {}).finally(() => {
        this.#running--;
        this.#next();
      });
    }
  }

  /** Settles when the conversion has ended, however long that takes; its order is answered in time. */
  async #run({ recipe, fetch, answer }: Order): Promise<void> {
    const { timeoutMs, maxBytes, maxPixels } = this.#options;
    const body = await fetch().catch(() => null);
    if (body === null) return answer({ kind: "failed", detail: "nobody waits for it" });
    if (body.byteLength > maxBytes) return answer({ kind: "unsuitable", detail: `${body.byteLength} bytes` });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      answer({ kind: "timeout", detail: `it did not end within ${timeoutMs} ms` });
      this.#jam(1);
    }, timeoutMs + LATE_MS);
    const conversion = await this.#codec.convert(body, recipe, { maxPixels, timeoutMs }).catch(failure);
    clearTimeout(timer);
    if (isLate) this.#jam(-1);
    else answer(conversion);
  }

  #jam(change: number): void {
    this.#stuck += change;
    if (this.#stuck >= this.#options.concurrency) this.onJammed?.();
  }
}

function failure(error: unknown): Conversion {
  const detail = String(error instanceof Error ? error.message : error).split("\n", 1)[0]!.slice(0, 200);
  return { kind: detail.startsWith("timeout") ? "timeout" : "failed", detail };
}
