/**
 * Fields that frame or route a message, modify the request, authenticate, or tell how to process content or response: a recipient
 * has to have them before the content (RFC 9110 §6.5.1).
 */
const NEVER_TRAILERS: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "cache-control",
  "connection",
  "cookie",
  "date",
  "expect",
  "expires",
  "forwarded",
  "host",
  "keep-alive",
  "location",
  "max-forwards",
  "pragma",
  "range",
  "retry-after",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
  "via",
  "warning",
  "www-authenticate",
]);

/** Beginnings of names that are all of that kind. */
const NEVER_BEGINNINGS = ["content-", "if-", "proxy-", "x-forwarded-"] as const;

/** Whether a field (lower case) may be taken from a trailer section, or sent in one. */
export function isTrailer(name: string): boolean {
  return !NEVER_TRAILERS.has(name) && !NEVER_BEGINNINGS.some((beginning) => name.startsWith(beginning));
}
