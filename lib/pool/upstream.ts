/** How one try at an upstream ended, as balancing and health see it. */
export type Outcome =
  /** It answered; a 4xx counts as an answer (but 429 is `limited`). */
  | "ok"
  /** It answered 429, or 503 with `Retry-After`. */
  | "limited"
  /** It answered 5xx, or content of a wrong type or signature. */
  | "failed"
  /** No answer: look-up, connection, reset, timeout, truncation. */
  | "unreachable"
  /** The client left, or a hedge lost: says nothing of the upstream. */
  | "cancelled";

/** One ended try, reported to the pool and on to the health worker. */
export interface Report {
  readonly outcome: Outcome;
  /** From the try's start to the response's field section (or the failure). */
  readonly latencyMs: number;
  /** From `Retry-After`, already capped; 0 where there was none. */
  readonly retryAfterMs: number;
}
