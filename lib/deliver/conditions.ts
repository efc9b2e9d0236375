import type { StoredResponse } from "../cache/stored_response.ts";
import { evaluatePreconditions, rangeApplies } from "../http/conditional.ts";
import type { Fields } from "../http/fields.ts";
import { type ByteRange, parseRange, rangeReply } from "../http/ranges.ts";
import type { Answer, FillingAnswer } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import { rewrittenForm } from "./change_document.ts";

/**
 * Answers a condition of the request from a stored response: 304, or 412 for a document that the gateway itself changed (RFC 9110 §13.2).
 */
export function checkConditions(exchange: Exchange, answer: Answer): Answer {
  if (answer.kind !== "stored" || exchange.isPlain || answer.isPartial) return answer;
  const { response, note } = answer;
  const precondition = evaluatePreconditions(exchange, response);
  if (precondition === "forward" && (response.isUndated || exchange.rewrite?.fill != null)) {
    return { kind: "made", note, status: 412, fields: [["cache-control", "no-store"]], body: new Uint8Array(0) };
  }
  if (precondition !== "not_modified") return answer;
  return { kind: "made", note, status: 304, fields: fieldsOf304(response.fields), body: null };
}

/**
 * Whether a request's preconditions must be forwarded to the origin: `If-Match` and `If-Unmodified-Since` that a stored response does
 * not meet (RFC 9111 §4.3.2).
 */
export function needsOrigin(exchange: Exchange, stored: StoredResponse): boolean {
  if (exchange.isPlain || evaluatePreconditions(exchange, stored) !== "forward") return false;
  // The origin does not know the entity tag of a document that was changed here.
  return rewrittenForm(exchange, stored) === stored && !isFilled(exchange, stored);
}

function isFilled({ rewrite, tenant }: Exchange, stored: StoredResponse): boolean {
  return rewrite !== null && rewrite.fill !== null && tenant.filler?.lacks(stored, rewrite.fill) === true;
}

/** Fields that a 304 repeats (RFC 9110 §15.4.5), and those of its way from the origin. */
const KEPT_ON_304: ReadonlySet<string> = new Set([
  "cache-control",
  "cdn-cache-control",
  "content-location",
  "date",
  "etag",
  "expires",
  "last-modified",
  "set-cookie",
  "vary",
  "via",
]);

function fieldsOf304(fields: Readonly<Fields>): Fields {
  return fields.filter(([name]) => KEPT_ON_304.has(name));
}

/** Answers a range request from a stored response, or from one whose body is still coming in (RFC 9110 §14). */
export function cutRange(exchange: Exchange, answer: Answer): Answer {
  if (exchange.isPlain) return answer;
  if (answer.kind === "filling") {
    const range = rangeOf(exchange, answer);
    return range === null ? answer : { ...answer, range };
  }
  if (answer.kind !== "stored" || answer.isPartial) return answer;
  const reply = rangeReply(exchange, answer.response, exchange.services.nextRequestId());
  if (reply === null) return answer;
  return { kind: "made", note: answer.note, status: reply.status, fields: reply.fields, body: reply.chunks };
}

/** The single range that a client wants of a body that is still coming in; `null` sends the whole (RFC 9110 §14.2). */
function rangeOf(exchange: Exchange, { head, fill }: FillingAnswer): ByteRange | null {
  const asked = exchange.header("range");
  if (asked === null || exchange.method !== "GET" || head.status !== 200) return null;
  if (!rangeApplies(exchange.header("if-range"), head)) return null;
  const parsed = parseRange(asked, fill.lengthBytes);
  return parsed.kind === "ranges" && parsed.ranges.length === 1 ? parsed.ranges[0]! : null;
}
