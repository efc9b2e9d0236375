import { retryAfterMs } from "../http/http_date.ts";
import type { FailureKind } from "./transport.ts";

/** The end of one try, as far as a retry depends on it. */
export type TryEnd =
  /** It failed below HTTP. */
  | { readonly failure: FailureKind; readonly requestSent: boolean }
  /** It was answered with this status. */
  | { readonly status: number }
  /** It was answered with content that the pool does not carry. */
  | { readonly wrongContent: true };

/** The part of a request that a retry depends on. */
export interface RetryableRequest {
  readonly method: string;
  /** Whether its body, or a part of it, was read already: it cannot be sent again. */
  readonly bodyTaken: boolean;
}

/** Methods that may be sent again after the upstream may have seen them (RFC 9110 §9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Statuses of temporary faults of an upstream. */
const TEMPORARY_STATUS: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** Failures that no retry mends: the client has left, its request cannot be written, or the answer is too large. */
const FINAL_FAILURES: ReadonlySet<FailureKind> = new Set(["aborted", "unsendable", "too_large"]);

/**
 * Whether a request may be tried again. A request of which no byte was written may always go to another upstream; one that an
 * upstream may have processed only if its method is safe: stricter than RFC 9110 §9.2.2, which would allow idempotent ones.
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

/** Bounds of the pauses between tries. */
export interface BackoffOptions {
  /** The longest first pause. */
  readonly baseMs: number;
  /** The longest pause of all. */
  readonly maxMs: number;
}

/** Defaults of {@linkcode BackoffOptions}. */
export const BACKOFF_DEFAULTS: BackoffOptions = { baseMs: 50, maxMs: 2_000 };

/**
 * The pause before retry number `attempt`, from 1: random up to a bound that doubles ("full jitter"), so that clients that failed
 * together do not return together.
 */
export function backoffMs(attempt: number, random: () => number, options: BackoffOptions = BACKOFF_DEFAULTS): number {
  const bound = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt - 1, 30));
  return random() * bound;
}

/** Least pause: a `Retry-After: 0` must not lead to a tight loop. */
const RETRY_AFTER_FLOOR_MS = 1_000;

/** Longest pause: a mistake of an upstream must not take it out for a day. */
const RETRY_AFTER_CAP_MS = 300_000;

/**
 * The pause that a `Retry-After` field asks for, in milliseconds from `nowMs`: at least a second, at most five minutes
 * (RFC 9110 §10.2.3). 0 where the field is absent or malformed.
 */
export function retryPauseMs(value: string | null, nowMs: number): number {
  const waitMs = retryAfterMs(value, nowMs);
  return waitMs === null ? 0 : Math.min(RETRY_AFTER_CAP_MS, Math.max(RETRY_AFTER_FLOOR_MS, waitMs));
}
