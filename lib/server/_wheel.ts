/** A member of the wheel, with its deadlines. */
export interface Waiting {
  /** Deadline of the awaited read, on the wheel's clock; `Infinity` for none. */
  readDueMs: number;
  /** Deadline of the pending write. */
  writeDueMs: number;
  /** Called after a deadline has passed; must set both again. */
  expire(nowMs: number): void;
}

const MIN_TICK_MS = 20;
const MAX_TICK_MS = 200;
/** Ticks within the shortest limit, which bound how late a deadline fires. */
const TICKS_PER_LIMIT = 5;

/** Closing a connection takes the runtime some 20 µs: this bounds the delay of the others. */
const MAX_EXPIRED_PER_TICK = 256;

/**
 * The deadlines of all connections of a server behind one timer, which checks them all: 10,000 take 70 µs, and setting a deadline costs
 * one addition. Its clock does not count blocked time of the event loop, so that no client is timed out by it.
 */
export class Wheel {
  readonly #members = new Set<Waiting>();
  #tickMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tickedAtMs = 0;
  /** Milliseconds on the wheel's own clock, exact to a tick. */
  nowMs = 0;

  constructor(shortestLimitMs: number) {
    this.#tickMs = tickFor(shortestLimitMs);
  }

  setShortestLimit(shortestLimitMs: number): void {
    this.#tickMs = tickFor(shortestLimitMs);
  }

  /** The deadline `durationMs` from now; never early. */
  after(durationMs: number): number {
    return this.nowMs + durationMs + this.#tickMs;
  }

  add(member: Waiting): void {
    this.#members.add(member);
    if (this.#timer !== undefined) return;
    this.#tickedAtMs = performance.now();
    this.#sleep(this.#tickMs);
  }

  /** Forgets `member`; with the last one gone the timer ends. */
  remove(member: Waiting): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #sleep(ms: number): void {
    this.#timer = setTimeout(() => this.#tick(), ms);
    // The sockets keep the process alive, not their deadlines.
    Deno.unrefTimer(this.#timer);
  }

  #tick(): void {
    const atMs = performance.now();
    this.nowMs += Math.min(atMs - this.#tickedAtMs, 2 * this.#tickMs);
    this.#tickedAtMs = atMs;
    const { nowMs } = this;
    let left = MAX_EXPIRED_PER_TICK;
    for (const member of this.#members) {
      if (member.readDueMs > nowMs && member.writeDueMs > nowMs) continue;
      member.expire(nowMs);
      if (--left === 0) break;
    }
    if (this.#members.size > 0) this.#sleep(left === 0 ? MIN_TICK_MS : this.#tickMs);
  }
}

function tickFor(shortestLimitMs: number): number {
  return Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, Math.floor(shortestLimitMs / TICKS_PER_LIMIT)));
}
