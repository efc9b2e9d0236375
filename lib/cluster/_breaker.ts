/** The last calls, of which half being late or failed opens the breaker. */
const WINDOW = 20;
/** So many late or failed in a row open it. */
const MAX_IN_ROW = 3;
const FIRST_OPEN_MS = 500;
const MAX_OPEN_MS = 10_000;
/** After so many failed probes in a row the connection is thrown away: it may be dead without a word. */
const PROBES_OF_ONE_CONNECTION = 2;

/**
 * A worker's breaker for its engine: what is slow or gone costs a deadline only a few times. While it is open nothing is sent; then one
 * call is let through as a probe.
 */
export class EngineBreaker {
  readonly #now: () => number;
  /** Whether each of the last calls failed. */
  readonly #window: boolean[] = [];
  #inRow = 0;
  #openings = 0;
  #openUntilMs: number | null = null;
  #isProbing = false;

  /** `now` is in milliseconds and never jumps. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get state(): "closed" | "open" | "half_open" {
    if (this.#openUntilMs === null) return "closed";
    return this.#now() < this.#openUntilMs ? "open" : "half_open";
  }

  /** Whether a call may be sent now. One that may has to be followed by {@linkcode record}. */
  admit(): boolean {
    if (this.#openUntilMs === null) return true;
    if (this.#isProbing || this.state === "open") return false;
    return this.#isProbing = true;
  }

  /** Takes note of how a call ended; answers whether the connection is to be thrown away. */
  record(isGood: boolean): boolean {
    this.#isProbing = false;
    if (isGood) return this.#succeeded();
    this.#push(true);
    this.#inRow++;
    if (this.#openUntilMs === null) {
      const failed = this.#window.filter(Boolean).length;
      if (this.#inRow >= MAX_IN_ROW || (this.#window.length === WINDOW && failed >= WINDOW / 2)) this.#open();
      return false;
    }
    // One that was under way when it opened says nothing new.
    if (this.state === "open") return false;
    this.#open();
    return (this.#openings - 1) % PROBES_OF_ONE_CONNECTION === 0;
  }

  /** A new connection has been made: it is worth a call at once. */
  reset(): void {
    this.#openUntilMs = null;
    this.#openings = this.#inRow = this.#window.length = 0;
    this.#isProbing = false;
  }

  #succeeded(): false {
    if (this.#openUntilMs !== null) this.reset();
    this.#inRow = 0;
    this.#push(false);
    return false;
  }

  #push(isFailed: boolean): void {
    if (this.#window.push(isFailed) > WINDOW) this.#window.shift();
  }

  #open(): void {
    this.#openUntilMs = this.#now() + Math.min(FIRST_OPEN_MS * 2 ** this.#openings, MAX_OPEN_MS);
    this.#openings = Math.min(this.#openings + 1, 16);
  }
}
