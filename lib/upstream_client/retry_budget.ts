/** Bounds of retries. */
export interface RetryBudgetOptions {
  /** Share of the requests, 0 to 1. */
  readonly share: number;
  /** Retries that are allowed for any number of requests. */
  readonly floor: number;
  /** Most retries that may wait; further ones are refused. */
  readonly queue: number;
}

/** Defaults of {@linkcode RetryBudgetOptions}: Envoy's share and floor. */
export const RETRY_BUDGET_DEFAULTS: RetryBudgetOptions = { share: 0.2, floor: 3, queue: 1_024 };

/** Time over which requests and retries are counted. */
export const RETRY_WINDOW_MS = 10_000;
const BUCKETS = 10;
const BUCKET_MS = RETRY_WINDOW_MS / BUCKETS;

/** Results that are remembered, one bit each; the fewest that count; the share that is most of them. */
const RECENT = 32;
const FEWEST = 16;
const MOST = 0.75;

/** The last results of a kind, good or bad, within the window. */
class RecentEnds {
  /** A 1 bit for each bad result. */
  #bits = 0;
  #known = 0;
  #lastMs = 0;

  note(isGood: boolean, nowMs: number): void {
    if (nowMs - this.#lastMs > RETRY_WINDOW_MS) this.#known = this.#bits = 0;
    this.#lastMs = nowMs;
    this.#bits = (this.#bits << 1) | (isGood ? 0 : 1);
    this.#known = Math.min(this.#known + 1, RECENT);
  }

  areMostlyBad(nowMs: number): boolean {
    if (this.#known < FEWEST || nowMs - this.#lastMs > RETRY_WINDOW_MS) return false;
    return ones(this.#bits) >= this.#known * MOST;
  }
}

/** Counts the bits that are 1. */
function ones(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** A retry that waits for its turn. */
interface Waiting {
  readonly admit: (admitted: boolean) => void;
}

/**
 * Limits retries to a share of the requests over the last {@linkcode RETRY_WINDOW_MS}, so that failing upstreams are not flooded.
 * A retry over the share waits while retries succeed: where many requests fail at once and another upstream works, all are served,
 * at most the share of pending requests at a time. While most retries fail, only the floor runs at a time, further retries of a
 * request first: they show whether any upstream works. Once most retried requests have failed too, retries over the share are refused
 * at once, waiting ones included; only further retries go on, the floor at a time.
 *
 * Only tries that put load on an upstream take a slot: a refused connection does not.
 */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  readonly #now: () => number;
  /** Waiting first retries of a request, and further ones, which have priority. */
  readonly #waiting = new Set<Waiting>();
  readonly #waitingFurther = new Set<Waiting>();
  readonly #requests = new Array<number>(BUCKETS).fill(0);
  readonly #retries = new Array<number>(BUCKETS).fill(0);
  readonly #retryEnds = new RecentEnds();
  readonly #requestEnds = new RecentEnds();
  #requestSum = 0;
  #retrySum = 0;
  /** Number of the present bucket, from the clock's zero. */
  #bucket: number;
  #active = 0;
  #retrying = 0;

  /** @param now milliseconds of a clock that is never set back */
  constructor(options: RetryBudgetOptions = RETRY_BUDGET_DEFAULTS, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
    this.#bucket = Math.floor(now() / BUCKET_MS);
  }

  /** Retries under way. */
  get retrying(): number {
    return this.#retrying;
  }

  /** Retries that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size + this.#waitingFurther.size;
  }

  /** Retries in flight below which one more may begin although the share is used up. */
  get limit(): number {
    const { floor, share } = this.#options;
    return this.#retryEnds.areMostlyBad(this.#now()) ? floor : Math.max(floor, Math.floor(this.#active * share));
  }

  /** Whether a retry would be refused now: the share is used up, and retries do not help. */
  refuses(isFurther: boolean = false): boolean {
    return !this.#hasShare() && this.#isVain() && !(isFurther && this.#retrying < this.limit);
  }

  /** A request has begun. Each call is paired with one of {@linkcode requestEnded}. */
  requestBegan(): void {
    this.#turn();
    this.#requests[this.#bucket % BUCKETS]!++;
    this.#requestSum++;
    this.#active++;
    if (this.waiting > 0) this.#admit();
  }

  /**
   * Ends a request. `isGood` is its result where it was retried; `null` where it was not, its client has left, or its failure is
   * no evidence about the upstreams.
   */
  requestEnded(isGood: boolean | null = null): void {
    if (this.#active > 0) this.#active--;
    if (isGood === null) return;
    this.#requestEnds.note(isGood, this.#now());
    if (this.waiting > 0) this.#admit();
  }

  /** Takes a place for a retry if one is free and no retry waits for it; {@linkcode release} gives it back. */
  tryTake(isFurther: boolean = false): boolean {
    return (isFurther ? this.#waitingFurther.size === 0 : this.waiting === 0) && this.#grant(isFurther);
  }

  /**
   * Waits for a place. `false` when `signal` ends the wait first, the budget is spent or too many wait already; else {@linkcode
   * release} gives the place back.
   *
   * @param isFurther the request was tried again before
   */
  take(signal: AbortSignal, isFurther: boolean = false): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.tryTake(isFurther)) return Promise.resolve(true);
    if (this.waiting >= this.#options.queue || this.#isVain()) return Promise.resolve(false);
    const queue = isFurther ? this.#waitingFurther : this.#waiting;
    return new Promise((resolve) => {
      const leave = () => entry.admit(false);
      const entry: Waiting = {
        admit: (admitted) => {
          queue.delete(entry);
          signal.removeEventListener("abort", leave);
          resolve(admitted);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      queue.add(entry);
    });
  }

  /** Ends a retry with its result; `null` where that is no evidence about the upstreams. */
  release(isGood: boolean | null): void {
    if (this.#retrying > 0) this.#retrying--;
    if (isGood !== null) this.#retryEnds.note(isGood, this.#now());
    if (this.waiting > 0) this.#admit();
  }

  #grant(isFurther: boolean): boolean {
    // Retried requests have to find out whether any upstream is well.
    if (!this.#hasShare() && (this.#retrying >= this.limit || (this.#isVain() && !isFurther))) return false;
    this.#retrying++;
    this.#retries[this.#bucket % BUCKETS]!++;
    this.#retrySum++;
    return true;
  }

  #admit(): void {
    for (const queue of [this.#waitingFurther, this.#waiting]) {
      for (const entry of queue) {
        if (this.#grant(queue === this.#waitingFurther)) entry.admit(true);
        else if (this.#isVain()) entry.admit(false);
        else return;
      }
    }
  }

  #hasShare(): boolean {
    this.#turn();
    const { floor, share } = this.#options;
    return this.#retrySum < Math.max(floor, Math.floor(this.#requestSum * share));
  }

  /** Drops what is older than the window. */
  #turn(): void {
    const bucket = Math.floor(this.#now() / BUCKET_MS);
    const passed = Math.min(bucket - this.#bucket, BUCKETS);
    for (let step = 1; step <= passed; step++) {
      const at = (this.#bucket + step) % BUCKETS;
      this.#requestSum -= this.#requests[at]!;
      this.#retrySum -= this.#retries[at]!;
      this.#requests[at] = this.#retries[at] = 0;
    }
    this.#bucket = Math.max(bucket, this.#bucket);
  }

  #isVain(): boolean {
    return this.#requestEnds.areMostlyBad(this.#now());
  }
}
