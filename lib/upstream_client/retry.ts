import { retryAfterMs } from "../http/http_date.ts";
import type { FailureKind } from "./transport.ts";

/** How one try ended, as far as another try depends on it. */
export type TryEnd =
  /** It failed below HTTP. */
  | { readonly failure: FailureKind; readonly requestSent: boolean }
  /** It was answered with this status. */
  | { readonly status: number }
  /** It was answered with content that the pool does not carry. */
  | { readonly wrongContent: true };

/** What of a request another try depends on. */
export interface RetryableRequest {
  readonly method: string;
  /** Whether its body, or a part of it, was read already: it cannot be sent again. */
  readonly bodyTaken: boolean;
}

/** Methods that may be sent again after the upstream may have seen them (RFC 9110 §9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Answers that another upstream, or the same one later, may not give: the fault is the upstream's and temporary. */
const TEMPORARY_STATUS: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** Failures that another try does not mend: the client has left, its request cannot be written, or the answer is too large for us. */
const FINAL_FAILURES: ReadonlySet<FailureKind> = new Set(["aborted", "unsendable", "too_large"]);

/**
 * Whether another try may be made. A request of which not one byte was written may always be given to another upstream;
 * one that an upstream may have processed only if its method is safe: stricter than RFC 9110 §9.2.2, which would allow
 * the idempotent ones too.
 */
export function retryable(request: RetryableRequest, end: TryEnd): boolean {
  if (request.bodyTaken) return false;
  if ("failure" in end) {
    if (FINAL_FAILURES.has(end.failure)) return false;
    return !end.requestSent || SAFE_METHODS.has(request.method);
  }
  if (!SAFE_METHODS.has(request.method)) return false;
  return "wrongContent" in end || TEMPORARY_STATUS.has(end.status);
}

/** How pauses between tries grow. */
export interface BackoffOptions {
  /** The longest first pause. */
  readonly baseMs: number;
  /** The longest pause of all. */
  readonly maxMs: number;
}

/** Defaults of {@linkcode BackoffOptions}. */
export const BACKOFF_DEFAULTS: BackoffOptions = { baseMs: 50, maxMs: 2_000 };

/**
 * The pause before retry number `attempt`, from 1: anything from none to a bound that doubles ("full jitter"), so that
 * clients that failed together do not come back together.
 */
export function backoffMs(attempt: number, random: () => number, options: BackoffOptions = BACKOFF_DEFAULTS): number {
  const bound = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt - 1, 30));
  return random() * bound;
}

/** Shorter waits are not honoured: an upstream that says 0 is not to be asked in a tight loop. */
const RETRY_AFTER_FLOOR_MS = 1_000;

/** Longer waits are cut: a mistake of the upstream's must not take it out for a day. */
const RETRY_AFTER_CAP_MS = 300_000;

/**
 * The pause that a `Retry-After` field asks for, in milliseconds from `nowMs`: at least a second, at most five minutes
 * (RFC 9110 §10.2.3). 0 where the field is absent or malformed.
 */
export function retryPauseMs(value: string | null, nowMs: number): number {
  const waitMs = retryAfterMs(value, nowMs);
  return waitMs === null ? 0 : Math.min(RETRY_AFTER_CAP_MS, Math.max(RETRY_AFTER_FLOOR_MS, waitMs));
}
