import { messageOf } from "../errors.ts";
import type { Conversion, Recipe } from "./conversion.ts";
import type { Codec } from "./sharp_codec.ts";

/** Limits of the queue and of each conversion. */
export interface QueueOptions {
  /** Conversions at a time. */
  readonly concurrency: number;
  /** Conversions that may wait. */
  readonly queue: number;
  /** Time limit of a conversion. */
  readonly timeoutMs: number;
  /** Largest input body. */
  readonly maxBytes: number;
  readonly maxPixels: number;
}

/** An order for a conversion; its body is fetched when its turn comes. */
export interface Order {
  readonly recipe: Recipe;
  /** Whose pictures they are: listeners take turns. */
  readonly listener: string;
  /** Fetches its bytes; `null` where the order was abandoned. */
  readonly fetch: () => Promise<Uint8Array<ArrayBuffer> | null>;
  readonly answer: (conversion: Conversion) => void;
}

/** Numbers of running and waiting conversions. */
export interface QueueFigures {
  readonly running: number;
  readonly waiting: number;
  /** Running ones over their time; each keeps its place until it ends. */
  readonly overdue: number;
}

interface Waiting {
  readonly order: Order;
  readonly sinceMs: number;
}

/** Grace beyond the time limit: `sharp` ends most late conversions by itself. */
const LATE_MS = 2_000;
/**
 * An overdue conversion is taken for stuck after this time, or this many times its limit. Giving up sooner would leave its thread
 * running beside the next ones.
 */
const MIN_STUCK_MS = 60_000;
const STUCK_TIMES = 3;
/** Times the limit that an order may wait: by then its client has been served something else. */
const WAIT_TIMES = 3;

/** Converts in turn, a few at a time. */
export class ConversionQueue {
  readonly #codec: Codec;
  /** By listener; the first is the next one's turn. */
  readonly #waiting = new Map<string, Waiting[]>();
  #options: QueueOptions;
  readonly #overdue = new Set<LateConversion>();
  #running = 0;
  /** Called when every place is taken by a stuck conversion. */
  onJammed: (() => void) | null = null;

  constructor(codec: Codec, options: QueueOptions) {
    this.#codec = codec;
    this.#options = options;
  }

  /** Numbers of running and waiting conversions. */
  get figures(): QueueFigures {
    return { running: this.#running, waiting: this.#waitingCount, overdue: this.#overdue.size };
  }

  /** Changes the bounds for what begins from now on. */
  reconfigure(options: QueueOptions): void {
    this.#options = options;
    this.#next();
  }

  /** Queues an order, or refuses it at once. In a full queue, one of the listener that has most gives way to one that has less. */
  add(order: Order): void {
    const own = this.#waiting.get(order.listener) ?? [];
    if (this.#waitingCount >= this.#options.queue && this.#running >= this.#options.concurrency) {
      const most = [...this.#waiting.values()].reduce((a, b) => a.length >= b.length ? a : b, own);
      const isOver = most.length > own.length + 1;
      const refused = isOver ? most.pop()!.order : order;
      refused.answer({ kind: "refused", detail: "the queue is full" });
      if (!isOver) return;
    }
    own.push({ order, sinceMs: performance.now() });
    this.#waiting.set(order.listener, own);
    this.#next();
  }

  get #waitingCount(): number {
    let sum = 0;
    for (const { length } of this.#waiting.values()) sum += length;
    return sum;
  }

  /** The oldest of the listener whose turn it is. */
  #take(): Waiting | undefined {
    for (const [listener, orders] of this.#waiting) {
      this.#waiting.delete(listener);
      const first = orders.shift();
      if (orders.length > 0) this.#waiting.set(listener, orders);
      if (first !== undefined) return first;
    }
    return undefined;
  }

  #next(): void {
    while (this.#running < this.#options.concurrency) {
      const waiting = this.#take();
      if (waiting === undefined) return;
      const { order, sinceMs } = waiting;
      if (performance.now() - sinceMs > this.#options.timeoutMs * WAIT_TIMES) {
        order.answer({ kind: "refused", detail: "it waited too long" });
        continue;
      }
      this.#running++;
      // An answer that cannot be delivered has no reader.
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
    if (body === null) return answer({ kind: "failed", detail: "the order was abandoned" });
    if (body.byteLength > maxBytes) return answer({ kind: "unsuitable", detail: `${body.byteLength} bytes` });
    const late = new LateConversion(timeoutMs + LATE_MS, (isStuck) => {
      if (!isStuck) answer({ kind: "timeout", detail: `it did not end within ${timeoutMs} ms` });
      this.#late(late, isStuck);
    });
    const conversion = await this.#codec.convert(body, recipe, { maxPixels, timeoutMs }).catch(failure);
    late.end();
    this.#overdue.delete(late);
    if (!late.isLate) answer(conversion);
  }

  #late(late: LateConversion, isStuck: boolean): void {
    this.#overdue.add(late);
    const stuck = [...this.#overdue].filter((other) => other.isStuck).length;
    if (isStuck && stuck >= this.#options.concurrency) this.onJammed?.();
  }
}

/** Timer of one conversion: it calls `tell` when the conversion is late, and again when it is stuck. */
class LateConversion {
  isLate = false;
  isStuck = false;
  #timer: ReturnType<typeof setTimeout>;

  constructor(dueMs: number, tell: (isStuck: boolean) => void) {
    this.#timer = setTimeout(() => {
      this.isLate = true;
      this.#timer = setTimeout(() => {
        this.isStuck = true;
        tell(true);
      }, Math.max(MIN_STUCK_MS, dueMs * STUCK_TIMES));
      tell(false);
    }, dueMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

function failure(error: unknown): Conversion {
  const detail = messageOf(error).split("\n", 1)[0]!.slice(0, 200);
  return { kind: detail.startsWith("timeout") ? "timeout" : "failed", detail };
}
