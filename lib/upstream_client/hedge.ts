/** Response times in the sample of the 95th percentile. */
const WINDOW = 256;

/** New response times before the percentile is computed again. */
const REFRESH = 32;

/** Fewest response times for a percentile. */
const MIN_SAMPLES = 32;

/** The 95th percentile of the last 256 response times: later answers are late. */
export class LatencyP95 {
  readonly #times = new Float64Array(WINDOW);
  readonly #sorted = new Float64Array(WINDOW);
  #count = 0;
  #p95Ms: number | null = null;

  /** Records a response time. */
  record(latencyMs: number): void {
    this.#times[this.#count % WINDOW] = latencyMs;
    this.#count++;
    if (this.#count % REFRESH === 0 && this.#count >= MIN_SAMPLES) this.#refresh();
  }

  /** The percentile, `null` while fewer than 32 times are known. */
  get p95Ms(): number | null {
    return this.#p95Ms;
  }

  #refresh(): void {
    const held = Math.min(this.#count, WINDOW);
    this.#sorted.set(this.#times);
    const sorted = this.#sorted.subarray(0, held).sort();
    this.#p95Ms = sorted[Math.min(held - 1, Math.floor(held * 0.95))]!;
  }
}

/** Most unused hedges that are saved. */
const SAVED_LIMIT = 10;

/**
 * Limits hedges to a share of all requests: each request earns that share of a hedge, each hedge costs one. None is earned in
 * advance, so the share holds from the first request on.
 */
export class HedgeBudget {
  readonly #share: number;
  #saved = 0;

  /** @param share of all requests, 0 to 1 */
  constructor(share: number) {
    this.#share = share;
  }

  /** A request that might be hedged has begun. */
  requestBegan(): void {
    this.#saved = Math.min(SAVED_LIMIT, this.#saved + this.#share);
  }

  /** Takes one hedge, if it was earned. */
  tryTake(): boolean {
    // Sums of shares such as 20 × 0.05 may be slightly below 1.
    if (this.#saved < 1 - 1e-9) return false;
    this.#saved -= 1;
    return true;
  }
}

/** When to hedge. */
export interface HedgeOptions {
  /** After the 95th percentile of response times, or after a fixed time. */
  readonly after: "p95" | { readonly delayMs: number };
  /** Share of requests that may be hedged at most, 0 to 1. */
  readonly maxExtra: number;
}

/** Least time before a hedge: sooner it would double the load of a fast pool for nothing. */
const MIN_DELAY_MS = 5;

/** Decides when a hedge is sent beside the first try, for GET requests of one pool. */
export class HedgePolicy {
  readonly #options: HedgeOptions;
  readonly #latency = new LatencyP95();
  readonly #budget: HedgeBudget;

  constructor(options: HedgeOptions) {
    this.#options = options;
    this.#budget = new HedgeBudget(options.maxExtra);
  }

  /**
   * Begins a request; returns how long to wait for its first try before {@linkcode take}, or `null` while the percentile is
   * unknown.
   */
  begin(): number | null {
    this.#budget.requestBegan();
    const { after } = this.#options;
    const delayMs = after === "p95" ? this.#latency.p95Ms : after.delayMs;
    return delayMs === null ? null : Math.max(MIN_DELAY_MS, delayMs);
  }

  /** Takes a hedge for the request; returns whether it may be sent. */
  take(): boolean {
    return this.#budget.tryTake();
  }

  /** Records the first try's response time; where its hedge won, the time until then. */
  record(latencyMs: number): void {
    this.#latency.record(latencyMs);
  }
}
