/** A member of {@linkcode Deadlines}, which expires unless it ends before its deadline. */
export interface Expirable {
  /** On the clock of `performance.now()`; `Infinity` where nothing is awaited. Written by {@linkcode Deadlines} alone. */
  deadlineMs: number;
  /** Called once the deadline has passed; the deadline is `Infinity` again by then. */
  expire(): void;
}

/** Most members that expire in one turn of the event loop: closing thousands of sockets at once would delay all others. */
const MAX_EXPIRIES = 256;

/** Least time between two scans for each member, so that thousands of close deadlines cost little. */
const SPACING_MS = 1 / 500;

/** Timers are 32 bits wide; a longer wait takes several. */
const LONGEST_SLEEP_MS = 2 ** 30;

/**
 * The deadlines of many connections behind a single timer. The timer sleeps until the earliest deadline it knows of and is not
 * moved when that one is met, so a request that ends in time costs no timer at all. With thousands of members a deadline is met
 * some milliseconds late.
 */
export class Deadlines {
  readonly #members = new Set<Expirable>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wakeAtMs = Infinity;

  /** Sets the deadline of `member` to `durationMs` after `nowMs`. */
  arm(member: Expirable, durationMs: number, nowMs: number = performance.now()): void {
    const deadlineMs = nowMs + durationMs;
    member.deadlineMs = deadlineMs;
    this.#members.add(member);
    if (deadlineMs < this.#wakeAtMs) this.#sleepUntil(deadlineMs);
  }

  /** Clears the deadline of `member`, which stays a member. */
  disarm(member: Expirable): void {
    member.deadlineMs = Infinity;
  }

  /** Removes `member`; with the last one the timer ends. */
  remove(member: Expirable): void {
    member.deadlineMs = Infinity;
    this.#members.delete(member);
    if (this.#members.size === 0) this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wakeAtMs = Infinity;
  }

  #sleepUntil(wakeAtMs: number): void {
    this.#stop();
    if (wakeAtMs === Infinity) return;
    this.#wakeAtMs = wakeAtMs;
    const delayMs = Math.min(Math.max(1, Math.ceil(wakeAtMs - performance.now())), LONGEST_SLEEP_MS);
    const timer = setTimeout(() => this.#wake(), delayMs);
    // An idle connection must not keep the process alive; one in use does so by its socket.
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  #wake(): void {
    const nowMs = performance.now();
    let expired = 0;
    for (const member of this.#members) {
      if (member.deadlineMs > nowMs) continue;
      if (expired++ === MAX_EXPIRIES) break;
      member.deadlineMs = Infinity;
      member.expire();
    }
    let nextMs = Infinity;
    for (const member of this.#members) nextMs = Math.min(nextMs, member.deadlineMs);
    this.#sleepUntil(Math.max(nextMs, nowMs + this.#members.size * SPACING_MS));
  }
}
