import { deltaSeconds } from "./cache_control.ts";

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const SHORT_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)";
const LONG_DAY = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)";
const TIME = "(\\d{2}):(\\d{2}):(\\d{2})";

/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const IMF_FIXDATE = new RegExp(`^${SHORT_DAY}, (\\d{2}) ([a-z]{3}) (\\d{4}) ${TIME} gmt$`, "i");
/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const RFC850_DATE = new RegExp(`^${LONG_DAY}, (\\d{2})-([a-z]{3})-(\\d{2}) ${TIME} gmt$`, "i");
/** `Sun Nov  6 08:49:37 1994` */
const ASCTIME_DATE = new RegExp(`^${SHORT_DAY} ([a-z]{3}) ( \\d|\\d{2}) ${TIME} (\\d{4})$`, "i");

/** Longer than any of the three forms; nothing longer is worth a look. */
const MAX_LENGTH = 40;

/**
 * Milliseconds since the Unix epoch of an HTTP-date in any of its three forms, or `null` where the text is none
 * (RFC 9110 §5.6.7). Case does not matter and the weekday is not compared with the date; all else is exact.
 * `nowMs` decides the century of a two-digit year: one more than 50 years ahead is taken to be in the past.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseHttpDate } from "./http_date.ts";
 * const nowMs = Date.UTC(2026, 0, 1);
 * assert.equal(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT", nowMs), 784111777000);
 * assert.equal(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", nowMs), 784111777000);
 * assert.equal(parseHttpDate("Sun Nov  6 08:49:37 1994", nowMs), 784111777000);
 * assert.equal(parseHttpDate("0", nowMs), null);
 * ```
 */
export function parseHttpDate(text: string, nowMs: number): number | null {
  if (text.length > MAX_LENGTH) return null;
  let match = IMF_FIXDATE.exec(text);
  if (match !== null) return utc([match[3], match[2], match[1]], match.slice(4, 7));
  match = RFC850_DATE.exec(text);
  if (match !== null) return utc([fullYear(match[3], nowMs), match[2], match[1]], match.slice(4, 7));
  match = ASCTIME_DATE.exec(text);
  if (match !== null) return utc([match[6], match[1], match[2]], match.slice(3, 6));
  return null;
}

/** The year that two digits stand for, as a recipient at `nowMs` reads them. */
function fullYear(digits: string | undefined, nowMs: number): string {
  const thisYear = new Date(nowMs).getUTCFullYear();
  const year = thisYear - thisYear % 100 + Number(digits);
  return String(year > thisYear + 50 ? year - 100 : year);
}

/** The moment its parts name; `null` where there is no such day or time. A leap second counts as the second before it. */
function utc([year, month = "", day]: (string | undefined)[], time: string[]): number | null {
  const monthIndex = MONTHS.indexOf(month.toLowerCase());
  const [hour, minute, second] = time.map(Number) as [number, number, number];
  if (monthIndex < 0 || hour > 23 || minute > 59 || second > 60) return null;
  const dayOfMonth = Number(day);
  const date = new Date(0);
  date.setUTCFullYear(Number(year), monthIndex, dayOfMonth);
  if (date.getUTCDate() !== dayOfMonth) return null;
  return date.setUTCHours(hour, minute, Math.min(second, 59));
}

/**
 * An IMF-fixdate of a moment in milliseconds since the Unix epoch (RFC 9110 §5.6.7).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { formatHttpDate } from "./http_date.ts";
 * assert.equal(formatHttpDate(784111777999), "Sun, 06 Nov 1994 08:49:37 GMT");
 * ```
 */
export function formatHttpDate(timeMs: number): string {
  return new Date(timeMs).toUTCString();
}

/**
 * The delay that a `Retry-After` field asks for, in milliseconds from `nowMs` (RFC 9110 §10.2.3); below 0 for a date in the past, `null`
 * where the field is absent or malformed.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { retryAfterMs } from "./http_date.ts";
 * assert.equal(retryAfterMs("120", 0), 120_000);
 * assert.equal(retryAfterMs("Thu, 01 Jan 1970 00:00:30 GMT", 10_000), 20_000);
 * assert.equal(retryAfterMs("soon", 0), null);
 * ```
 */
export function retryAfterMs(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  const text = value.trim();
  const seconds = deltaSeconds(text);
  if (seconds !== null) return seconds * 1_000;
  const dateMs = parseHttpDate(text, nowMs);
  return dateMs === null ? null : dateMs - nowMs;
}
