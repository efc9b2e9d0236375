/** Outcome of one try at an upstream, for balancing and health. */
export type Outcome =
  /** It answered; a 4xx counts as an answer (but 429 is `limited`). */
  | "ok"
  /** It answered 429, or 503 with `Retry-After`. */
  | "limited"
  /** It answered 5xx, or content of a wrong type or signature. */
  | "failed"
  /** No answer: look-up, connection, reset, timeout, truncation. */
  | "unreachable"
  /** The client left, or a hedge lost: no evidence about the upstream. */
  | "cancelled";

/** One ended try, reported to the pool and on to the health worker. */
export interface Report {
  readonly outcome: Outcome;
  /** From the try's start to the response's field section (or the failure). */
  readonly latencyMs: number;
  /** From `Retry-After`, already capped; 0 where there was none. */
  readonly retryAfterMs: number;
}

/** Latencies kept of one batch; more are thinned out evenly at random. */
const SAMPLES_LIMIT = 16;

/** Outcomes at one upstream in one serving worker since the last batch: plain data, safe to post to another worker. */
export interface OutcomeBatch {
  /** Upstream id. */
  readonly id: string;
  /** Tries by how they ended. */
  readonly counts: Readonly<Record<Outcome, number>>;
  /** Response times of answers (`ok`), at most 16, each as likely to be kept as any other. */
  readonly latenciesMs: readonly number[];
  /** Longest `Retry-After` seen, 0 where there was none. */
  readonly retryAfterMs: number;
  /** Failures since the last answer, or since the batch began. */
  readonly trailingFailures: number;
}

/** Collects the outcomes at one upstream until the batch is taken. */
export class OutcomeRecorder {
  readonly #random: () => number;
  readonly #samples = new Float64Array(SAMPLES_LIMIT);
  #ok = 0;
  #limited = 0;
  #failed = 0;
  #unreachable = 0;
  #cancelled = 0;
  #retryAfterMs = 0;
  #trailingFailures = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Adds one ended try. */
  record(report: Report): void {
    switch (report.outcome) {
      case "ok":
        this.#sample(report.latencyMs);
        this.#ok++;
        this.#trailingFailures = 0;
        break;
      case "limited":
        this.#limited++;
        break;
      case "failed":
        this.#failed++;
        this.#trailingFailures++;
        break;
      case "unreachable":
        this.#unreachable++;
        this.#trailingFailures++;
        break;
      case "cancelled":
        this.#cancelled++;
    }
    if (report.retryAfterMs > this.#retryAfterMs) this.#retryAfterMs = report.retryAfterMs;
  }

  /** Takes the batch and starts a new one; `null` where there were no outcomes. */
  drain(id: string): OutcomeBatch | null {
    const counts: Record<Outcome, number> = {
      ok: this.#ok,
      limited: this.#limited,
      failed: this.#failed,
      unreachable: this.#unreachable,
      cancelled: this.#cancelled,
    };
    if (Object.values(counts).every((count) => count === 0)) return null;
    const batch: OutcomeBatch = {
      id,
      counts,
      latenciesMs: Array.from(this.#samples.subarray(0, Math.min(this.#ok, SAMPLES_LIMIT))),
      retryAfterMs: this.#retryAfterMs,
      trailingFailures: this.#trailingFailures,
    };
    this.#reset();
    return batch;
  }

  /** Reservoir sampling: the n-th replaces a kept one with probability limit / n. */
  #sample(latencyMs: number): void {
    const seen = this.#ok;
    const place = seen < SAMPLES_LIMIT ? seen : Math.floor(this.#random() * (seen + 1));
    if (place < SAMPLES_LIMIT) this.#samples[place] = latencyMs;
  }

  #reset(): void {
    this.#ok =
      this.#limited =
      this.#failed =
      this.#unreachable =
      this.#cancelled =
        0;
    this.#retryAfterMs = this.#trailingFailures = 0;
  }
}
