import assert from "node:assert/strict";
import { formatHttpDate, parseHttpDate } from "../../lib/http/http_date.ts";

const NOW_MS = Date.UTC(2026, 5, 15);
const AUGUST_2050 = Date.UTC(2050, 7, 18, 2, 1, 18);

Deno.test("parseHttpDate() reads the three forms, whatever their case (RFC 9110 §5.6.7)", () => {
  const cases: [text: string, timeMs: number][] = [
    ["Thu, 18 Aug 2050 02:01:18 GMT", AUGUST_2050],
    ["THU, 18 Aug 2050 02:01:18 GMT", AUGUST_2050],
    ["Thu, 18 AUG 2050 02:01:18 gMT", AUGUST_2050],
    ["Thursday, 18-Aug-50 02:01:18 GMT", AUGUST_2050],
    ["Thu Aug 18 02:01:18 2050", AUGUST_2050],
    ["Thu Aug  8 02:01:18 2050", Date.UTC(2050, 7, 8, 2, 1, 18)],
    ["Tue, 19 Jan 2038 14:14:08 GMT", Date.UTC(2038, 0, 19, 14, 14, 8)],
    ["Sun, 21 Nov 2286 04:46:39 GMT", Date.UTC(2286, 10, 21, 4, 46, 39)],
    ["Thu, 29 Feb 2024 00:00:00 GMT", Date.UTC(2024, 1, 29)],
    ["Sat, 31 Dec 2016 23:59:60 GMT", Date.UTC(2016, 11, 31, 23, 59, 59)],
    ["Mon, 01 Jan 0099 00:00:00 GMT", new Date(0).setUTCFullYear(99, 0, 1)],
  ];
  for (const [text, timeMs] of cases) assert.equal(parseHttpDate(text, NOW_MS), timeMs, text);
});

Deno.test("parseHttpDate() takes nothing else for a date (RFC 9110 §5.6.7)", () => {
  const broken = [
    "0",
    "-1",
    "",
    "foo",
    "Thu, 18 Aug 2050 02:01:18 UTC",
    "Thu, 18 Aug 2050 02:01:18 AEST",
    "Thu, 18 Aug 2050 02:01:18 +0000",
    "Thu, 18 Aug 50 02:01:18 GMT",
    "Thu 18 Aug 2050 02:01:18 GMT",
    "Thu, 18  Aug  2050 02:01:18 GMT",
    "Thu, 18-Aug-2050 02:01:18 GMT",
    "Thu, 18 Aug 2050 02.01.18 GMT",
    "Thu, 18 Aug 2050 2:01:18 GMT",
    "Thu, 8 Aug 2050 02:01:18 GMT",
    "Thu, 31 Feb 2050 02:01:18 GMT",
    "Thu, 00 Aug 2050 02:01:18 GMT",
    "Thu, 18 Aug 2050 24:01:18 GMT",
    "Thu, 18 Aug 2050 02:60:18 GMT",
    "Thu, 18 Aug 2050 02:01:61 GMT",
    "Thu, 18 Foo 2050 02:01:18 GMT",
    "Foo, 18 Aug 2050 02:01:18 GMT",
    "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:19 GMT",
    "Thursday, 18-Aug-2050 02:01:18 GMT",
    "Thu, 18-Aug-50 02:01:18 GMT",
    "Thu Aug 8 02:01:18 2050",
    "Thu Aug  18 02:01:18 2050",
    " Thu, 18 Aug 2050 02:01:18 GMT",
    "x".repeat(100_000),
  ];
  for (const text of broken) assert.equal(parseHttpDate(text, NOW_MS), null, text.slice(0, 60));
});

Deno.test("parseHttpDate() puts a two-digit year more than 50 years ahead into the past (RFC 9110 §5.6.7)", () => {
  const yearOf = (digits: string) => {
    const timeMs = parseHttpDate(`Monday, 01-Jan-${digits} 00:00:00 GMT`, NOW_MS);
    return timeMs === null ? null : new Date(timeMs).getUTCFullYear();
  };
  assert.equal(yearOf("26"), 2026);
  assert.equal(yearOf("76"), 2076);
  assert.equal(yearOf("77"), 1977);
  assert.equal(yearOf("99"), 1999);
});

Deno.test("formatHttpDate() is read back to the second", () => {
  for (const timeMs of [0, NOW_MS, AUGUST_2050, 1_762_000_000_999]) {
    assert.equal(parseHttpDate(formatHttpDate(timeMs), NOW_MS), timeMs - timeMs % 1000);
  }
});
