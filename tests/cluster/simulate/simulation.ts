import { seededRandom } from "../../seeded_random.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Events in the order of their time, with a clock that jumps from one to the next; the same seed gives the same run. */
export class Simulation {
  readonly random: () => number;
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #order = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` at `atMs`, or now if that has passed. */
  at(atMs: number, run: () => void): void {
    this.#push({ atMs: Math.max(atMs, this.#nowMs), order: this.#order++, run });
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run);
  }

  /** Calls `run` at random moments, on average `perSecond` times a second, before `untilMs`. */
  randomly(perSecond: number, untilMs: number, run: () => void): void {
    const next = (fromMs: number) => {
      const atMs = fromMs - Math.log(1 - this.random()) * 1_000 / perSecond;
      if (atMs >= untilMs) return;
      this.at(atMs, () => {
        run();
        next(atMs);
      });
    };
    next(this.#nowMs);
  }

  /** Runs all events before `untilMs`. */
  runUntil(untilMs: number): void {
    while (this.#heap.length > 0 && this.#heap[0]!.atMs < untilMs) {
      const event = this.#pop();
      this.#nowMs = event.atMs;
      event.run();
    }
    this.#nowMs = untilMs;
  }

  /** A time with a long tail: half of all are below `medianMs`, one in a hundred above about four times as much. */
  around(medianMs: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
    return medianMs * Math.exp(0.6 * normal);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event {
    const heap = this.#heap;
    const first = heap[0]!;
    const moved = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, moved)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
    return first;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

/** The value below which `share` of all lie; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
