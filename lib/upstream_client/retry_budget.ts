/** How many retries may be made beside the requests. */
export interface RetryBudgetOptions {
  /** Share of the requests, 0 to 1. */
  readonly share: number;
  /** As many may be made however few requests there are. */
  readonly floor: number;
  /** As many may wait; one more is refused. */
  readonly queue: number;
}

/** Defaults of {@linkcode RetryBudgetOptions}: Envoy's share and floor. */
export const RETRY_BUDGET_DEFAULTS: RetryBudgetOptions = { share: 0.2, floor: 3, queue: 1_024 };

/** Time over which requests and retries are counted. */
export const RETRY_WINDOW_MS = 10_000;
const BUCKETS = 10;
const BUCKET_MS = RETRY_WINDOW_MS / BUCKETS;

/** Ends of retries that are remembered, one bit each, and how many say something. */
const RECENT = 32;
const FEWEST = 16;
/** Where one upstream of several is well, half of the retries succeed in the worst order: chance alone must not look like an outage. */
const MOST = 0.75;

/** A retry that waits for its turn. */
interface Waiting {
  readonly admit: (admitted: boolean) => void;
}

/**
 * Bounds retries to a share of the requests over the last {@linkcode RETRY_WINDOW_MS}, so that failing upstreams are not buried
 * under them. A retry over the share waits for its turn for as long as retries help: where many requests fail at once and another
 * upstream is well, all are served, as many at a time as the share of the requests under way. Once most of the recent retries have
 * failed too it is refused at once, with all that wait: another try would only add to the load.
 *
 * Only tries that put load on an upstream need a place: a connection that was refused did not.
 */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  readonly #now: () => number;
  readonly #waiting = new Set<Waiting>();
  readonly #requests = new Array<number>(BUCKETS).fill(0);
  readonly #retries = new Array<number>(BUCKETS).fill(0);
  #requestSum = 0;
  #retrySum = 0;
  /** Number of the bucket that is counted in, from the clock's zero. */
  #bucket: number;
  #active = 0;
  #retrying = 0;
  /** The last ends, a 1 for each bad one. */
  #ends = 0;
  #endsKnown = 0;
  #lastEndMs = 0;

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
    return this.#waiting.size;
  }

  /** Retries over the share that may be under way at the moment, those within it counted too. */
  get limit(): number {
    return Math.max(this.#options.floor, Math.floor(this.#active * this.#options.share));
  }

  /** Whether a retry would be refused now: the share is used up, and most of the recent retries have failed. */
  get isSpent(): boolean {
    return !this.#hasShare() && this.#isVain();
  }

  /** A request has begun. Each call is paired with one of {@linkcode requestEnded}. */
  requestBegan(): void {
    this.#turn();
    this.#requests[this.#bucket % BUCKETS]!++;
    this.#requestSum++;
    this.#active++;
    if (this.#waiting.size > 0) this.#admit();
  }

  /** That request has ended. */
  requestEnded(): void {
    if (this.#active > 0) this.#active--;
  }

  /** Takes a place for a retry if there is one and nobody waits for it; {@linkcode release} gives it back. */
  tryTake(): boolean {
    return this.#waiting.size === 0 && this.#grant();
  }

  /**
   * Waits for a place. `false` when `signal` ends the wait first, the budget is spent or too many wait already; else
   * {@linkcode release} gives the place back.
   */
  take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.tryTake()) return Promise.resolve(true);
    if (this.#waiting.size >= this.#options.queue || this.#isVain()) return Promise.resolve(false);
    return new Promise((resolve) => {
      const leave = () => entry.admit(false);
      const entry: Waiting = {
        admit: (admitted) => {
          this.#waiting.delete(entry);
          signal.removeEventListener("abort", leave);
          resolve(admitted);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(entry);
    });
  }

  /** A retry has been answered, or has failed. */
  release(): void {
    if (this.#retrying > 0) this.#retrying--;
    this.#admit();
  }

  /** What came of a retry, once that is known: whether it was of any use. Retries of clients that have left say nothing. */
  note(isGood: boolean): void {
    const nowMs = this.#now();
    if (nowMs - this.#lastEndMs > RETRY_WINDOW_MS) this.#endsKnown = this.#ends = 0;
    this.#lastEndMs = nowMs;
    this.#ends = (this.#ends << 1) | (isGood ? 0 : 1);
    this.#endsKnown = Math.min(this.#endsKnown + 1, RECENT);
    if (this.#waiting.size > 0) this.#admit();
  }

  #grant(): boolean {
    if (!this.#hasShare() && (this.#retrying >= this.limit || this.#isVain())) return false;
    this.#retrying++;
    this.#retries[this.#bucket % BUCKETS]!++;
    this.#retrySum++;
    return true;
  }

  #admit(): void {
    for (const entry of this.#waiting) {
      if (this.#grant()) entry.admit(true);
      else if (this.#isVain()) entry.admit(false);
      else return;
    }
  }

  #hasShare(): boolean {
    this.#turn();
    const { floor, share } = this.#options;
    return this.#retrySum < Math.max(floor, Math.floor(this.#requestSum * share));
  }

  /** Forgets what the window has left behind. */
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

  /** Whether most of the recent retries have failed. */
  #isVain(): boolean {
    if (this.#endsKnown < FEWEST || this.#now() - this.#lastEndMs > RETRY_WINDOW_MS) return false;
    return ones(this.#ends) >= this.#endsKnown * MOST;
  }
}

/** Bits that are 1. */
function ones(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}
