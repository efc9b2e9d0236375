import { parseHttpDate } from "./http_date.ts";
import { listMatches, strongMatch, weakMatch } from "./validators.ts";

/** A request as its preconditions are read. */
export interface ConditionalRequest {
  readonly method: string;
  /** A field's value by its lower-case name; repeated lines are joined. */
  header(name: string): string | null;
}

/** The response that would be sent without preconditions. */
export interface SelectedResponse {
  readonly status: number;
  /** A field's value by its lower-case name; repeated lines are joined. */
  field(name: string): string | null;
  /** When it was received, in milliseconds since the Unix epoch: used for missing dates (RFC 9111 §4.3.2). */
  readonly responseTimeMs: number;
  /** Its dates say nothing of its content, because the gateway changed that: only its entity tag counts. */
  readonly isUndated?: boolean;
}

/**
 * A cache's decision on a request's preconditions: send the response, answer 304, or forward the request to the origin.
 * A cache never answers 412: `If-Match` and `If-Unmodified-Since` are the origin's to refuse (RFC 9111 §4.3.2).
 */
export type Precondition = "proceed" | "not_modified" | "forward";

/**
 * Evaluates preconditions against a stored response, in the order of RFC 9110 §13.2.2.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { evaluatePreconditions } from "./conditional.ts";
 * const stored = { status: 200, field: (name: string) => name === "etag" ? '"1"' : null, responseTimeMs: 0 };
 * const asking = (fields: Record<string, string>) => ({ method: "GET", header: (name: string) => fields[name] ?? null });
 * assert.equal(evaluatePreconditions(asking({ "if-none-match": 'W/"1"' }), stored), "not_modified");
 * assert.equal(evaluatePreconditions(asking({ "if-none-match": '"2"' }), stored), "proceed");
 * assert.equal(evaluatePreconditions(asking({ "if-match": '"2"' }), stored), "forward");
 * ```
 */
export function evaluatePreconditions(
  request: ConditionalRequest,
  selected: SelectedResponse,
): Precondition {
  if (request.method !== "GET" && request.method !== "HEAD") return "forward";
  // Preconditions count only where the response without them would be a success (RFC 9110 §13.2.1).
  if (selected.status < 200 || selected.status > 299) return "proceed";
  const ifMatch = request.header("if-match");
  if (ifMatch !== null) {
    if (!listMatches(ifMatch, selected.field("etag"), strongMatch)) return "forward";
  } else if (!isUnmodified(request.header("if-unmodified-since"), selected)) return "forward";
  const ifNoneMatch = request.header("if-none-match");
  if (ifNoneMatch !== null) {
    return listMatches(ifNoneMatch, selected.field("etag"), weakMatch) ? "not_modified" : "proceed";
  }
  return !selected.isUndated && isNotModifiedSince(request.header("if-modified-since"), selected)
    ? "not_modified"
    : "proceed";
}

function isUnmodified(ifUnmodifiedSince: string | null, selected: SelectedResponse): boolean {
  if (ifUnmodifiedSince === null) return true;
  const sinceMs = parseHttpDate(ifUnmodifiedSince, selected.responseTimeMs);
  const modifiedMs = dateIn(selected, "last-modified");
  // The condition is ignored where it is no date or there is nothing to compare it with (RFC 9110 §13.1.4).
  return sinceMs === null || modifiedMs === null || modifiedMs <= sinceMs;
}

/** RFC 9111 §4.3.2: by `Last-Modified`, without it by `Date`, without it by the time of receipt. */
function isNotModifiedSince(ifModifiedSince: string | null, selected: SelectedResponse): boolean {
  if (ifModifiedSince === null) return false;
  const sinceMs = parseHttpDate(ifModifiedSince, selected.responseTimeMs);
  if (sinceMs === null) return false;
  const changedMs = dateIn(selected, "last-modified") ?? dateIn(selected, "date") ?? selected.responseTimeMs;
  return changedMs <= sinceMs;
}

/**
 * Whether a `Range` is to be answered in view of `If-Range`: there is none, or it names exactly this representation
 * (RFC 9110 §13.1.5). An entity tag is compared strongly; a date must be the very `Last-Modified`, and that one strong.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { rangeApplies } from "./conditional.ts";
 * const stored = { status: 200, field: (name: string) => name === "etag" ? '"1"' : null, responseTimeMs: 0 };
 * assert.equal(rangeApplies('"1"', stored), true);
 * assert.equal(rangeApplies('W/"1"', stored), false);
 * ```
 */
export function rangeApplies(ifRange: string | null, selected: SelectedResponse): boolean {
  if (ifRange === null) return true;
  if (ifRange.includes('"')) return strongMatch(ifRange, selected.field("etag") ?? "");
  const askedMs = parseHttpDate(ifRange, selected.responseTimeMs);
  const modifiedMs = dateIn(selected, "last-modified");
  if (askedMs === null || askedMs !== modifiedMs) return false;
  // A date is a strong validator only where the response is at least a second younger than the change (RFC 9110 §8.8.2.2).
  return (dateIn(selected, "date") ?? selected.responseTimeMs) - modifiedMs >= 1000;
}

function dateIn(selected: SelectedResponse, name: string): number | null {
  const value = selected.field(name);
  return value === null ? null : parseHttpDate(value, selected.responseTimeMs);
}
