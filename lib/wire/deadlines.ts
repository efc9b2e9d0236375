/** Something that runs out of time unless it ends before its deadline. */
export interface Expirable {
  /** On the clock of `performance.now()`; `Infinity` where nothing is awaited. Written by {@linkcode Deadlines} alone. */
  deadlineMs: number;
  /** Called once the deadline has passed; the deadline is `Infinity` again by then. */
  expire(): void;
}

/** Timers are 32 bits wide; a longer wait is simply looked at again in between. */
const LONGEST_SLEEP_MS = 2 ** 30;

/**
 * The deadlines of all connections of one transport behind a single timer. The timer sleeps until the earliest deadline it
 * knows of and is not moved when that one is met, so a request that ends in time costs no timer at all.
 */
export class Deadlines {
  readonly #members = new Set<Expirable>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wakeAtMs = Infinity;

  /** Gives `member` so many milliseconds from now, in place of the deadline it had. */
  arm(member: Expirable, durationMs: number): void {
    const deadlineMs = performance.now() + durationMs;
    member.deadlineMs = deadlineMs;
    this.#members.add(member);
    if (deadlineMs < this.#wakeAtMs) this.#sleepUntil(deadlineMs);
  }

  /** Takes the deadline of `member` away; it stays known, for the next one. */
  disarm(member: Expirable): void {
    member.deadlineMs = Infinity;
  }

  /** Forgets `member`. With the last one gone the timer goes too. */
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
    for (const member of this.#members) {
      if (member.deadlineMs > nowMs) continue;
      member.deadlineMs = Infinity;
      member.expire();
    }
    let nextMs = Infinity;
    for (const member of this.#members) nextMs = Math.min(nextMs, member.deadlineMs);
    this.#sleepUntil(nextMs);
  }
}
