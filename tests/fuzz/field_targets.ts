import assert from "node:assert/strict";
import { initialAgeMs } from "../../lib/cache/policy/freshness.ts";
import { MAX_DELTA_SECONDS, requestDirectives, responseDirectives } from "../../lib/http/cache_control.ts";
import { forwardedStatus } from "../../lib/http/cache_status.ts";
import { acceptsCoding, negotiateCoding } from "../../lib/http/content_coding.ts";
import { forwardingFields, plainAddress, toldApart } from "../../lib/http/forwarded.ts";
import { parseHttpDate, retryAfterMs } from "../../lib/http/http_date.ts";
import { parseWeighted, splitList } from "../../lib/http/list.ts";
import { parseRange } from "../../lib/http/ranges.ts";
import { parseDictionary } from "../../lib/http/structured_fields.ts";
import { surrogateDirectives, targetedDirectives } from "../../lib/http/targeted_cache_control.ts";
import { listMatches, strongMatch, weakMatch } from "../../lib/http/validators.ts";
import { normalizeSelecting, varyNames } from "../../lib/http/vary.ts";
import { formatTraceparent, parseTraceContext, parseTraceState } from "../../lib/tracing/trace_context.ts";
import type { FuzzTarget } from "./fuzz_target.ts";

/** Pieces that mean something in some field, and some that mean nothing. */
// deno-fmt-ignore
export const FIELD_PIECES = [
  "max-age", "s-maxage", "no-store", "private", "no-cache", "=", "==", ",", ";", '"', "\\", "'", " ", "\t", "(", ")", ":", "@", "%", "?", "*",
  "-", "0", "1", "60", "99999999999999999999", "q=", "q=0.5", "bytes=", "gzip", "W/", "GMT", "Thu, 18 Aug 2050 02:01:18", "é", "\u0000", "\u0080", "\r\n",
];

/** Fields of HTTP, its dates, and of traces. */
export const FIELD_TARGETS: readonly FuzzTarget[] = [
  {
    name: "cache-control",
    pieces: FIELD_PIECES,
    seeds: [
      'max-age=60, private="Set-Cookie, X-User"',
      "s-maxage=1, stale-while-revalidate, no-cache",
      "max-stale, min-fresh=5",
    ],
    shortRuns: 4_000,
    check(text) {
      const { maxAgeSeconds, sMaxageSeconds, staleIfErrorSeconds, staleWhileRevalidateSeconds } = responseDirectives(
        text,
      );
      const asked = requestDirectives(text);
      const all = [maxAgeSeconds, sMaxageSeconds, staleIfErrorSeconds, staleWhileRevalidateSeconds];
      for (const seconds of [...all, asked.maxAgeSeconds, asked.minFreshSeconds, asked.staleIfErrorSeconds]) {
        assert.ok(seconds === null || Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_DELTA_SECONDS);
      }
      targetedDirectives(text);
      surrogateDirectives(text);
    },
  },
  {
    name: "dates-and-numbers",
    pieces: [
      ...FIELD_PIECES,
      "Sun, 06 Nov 1994 08:49:37 GMT",
      "Fri, 31 Dec 9999 23:59:59 GMT",
      "2147483648",
      "9".repeat(400),
      "-1",
      "1e9",
    ],
    seeds: [
      "99999999999",
      "Thu, 01 Jan 1970 00:00:00 GMT",
      "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994",
    ],
    shortRuns: 4_000,
    check(text) {
      const nowMs = 1_790_000_000_000;
      const timeMs = parseHttpDate(text, nowMs);
      assert.ok(timeMs === null || Number.isSafeInteger(timeMs));
      const waitMs = retryAfterMs(text, nowMs);
      assert.ok(waitMs === null || Number.isSafeInteger(waitMs));
      const ageMs = initialAgeMs([["age", text], ["date", text]], { requestTimeMs: nowMs, responseTimeMs: nowMs });
      assert.ok(Number.isSafeInteger(ageMs) && ageMs >= 0 && ageMs <= MAX_DELTA_SECONDS * 1000);
    },
  },
  {
    name: "lists-and-validators",
    pieces: FIELD_PIECES,
    seeds: ['W/"a", "b"', "gzip;q=0.5, br;q=1, *;q=0", "Accept-Encoding, *"],
    shortRuns: 4_000,
    check(text) {
      varyNames(text);
      assert.equal(weakMatch(text, text), text !== "");
      if (strongMatch(text, text)) assert.ok(weakMatch(text, `W/${text}`));
      listMatches(text, text, weakMatch);
      assert.ok(splitList(text, 8).length <= 8);
      const { weight } = parseWeighted(text);
      assert.ok(weight >= 0 && weight <= 1);
      const coding = negotiateCoding(text, ["br", "gzip"]);
      assert.ok(coding === null || acceptsCoding(text, coding));
      for (const name of ["accept-language", "foo"]) {
        const once = normalizeSelecting(name, text);
        assert.equal(normalizeSelecting(name, once), once, `${name} is the same when done twice`);
      }
    },
  },
  {
    name: "ranges",
    pieces: [...FIELD_PIECES, "-5", "99-", "0-0", "-0", "9007199254740993"],
    seeds: ["bytes=0-9", "bytes=-5", "bytes=0-,5-9, -1"],
    shortRuns: 4_000,
    check(text) {
      for (const value of [text, `bytes=${text}`]) {
        const asked = parseRange(value, 100);
        if (asked.kind !== "ranges") continue;
        assert.ok(asked.ranges.length > 0);
        for (const { first, last } of asked.ranges) assert.ok(first >= 0 && first <= last && last < 100);
      }
    },
  },
  {
    name: "structured-fields",
    pieces: [...FIELD_PIECES, ":YQ==:", "@1", '%"', "%c3%a9", "?1", "(a b)", ";a=1"],
    seeds: ['a=1;b="x", c=(1 2);d, e=:YQ==:', "usher; hit; ttl=-5", 'a=@1659578233, b=%"f%c3%bc"', "a=1.5, b=?0"],
    shortRuns: 4_000,
    check(text) {
      parseDictionary(text);
      const members = parseDictionary(forwardedStatus("usher", { fwd: "miss", key: text, detail: text }));
      assert.equal(members?.size, 1, "a member of ours is one whatever it holds (RFC 9211 §2)");
    },
  },
  {
    name: "forwarded",
    pieces: [
      ...FIELD_PIECES,
      "for=",
      "by=",
      "host=",
      "proto=",
      "192.0.2.1",
      "[2001:db8::1]",
      "unknown",
      "_hidden",
      ":80",
      "::ffff:",
    ],
    seeds: ['for="[2001:db8::1]:80";proto=https;host=a.example', "1.2.3.4:5, [::1]:80", "for=unknown, for=_a"],
    shortRuns: 3_000,
    check(text) {
      assert.equal(typeof plainAddress(text), "string");
      // No server takes a control character in a field, so none comes here.
      const line = text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "");
      const header = (name: string) => /^(?:forwarded|x-forwarded-\w+)$/.test(name) ? line : null;
      for (const isTrusted of [true, false]) {
        const facts = {
          peer: "192.0.2.9",
          scheme: "http" as const,
          authority: "a.example",
          header,
          trusted: isTrusted,
          isTrusted: () => isTrusted,
        };
        for (const policy of ["x-forwarded", "forwarded", "both", "off"] as const) {
          toldApart(policy, facts);
          for (const [name, value] of forwardingFields(policy, facts)) {
            assert.match(`${name}: ${value}`, /^[a-z-]+: [\t\x20-\x7e\x80-\xff]*$/);
          }
        }
      }
    },
  },
  {
    name: "traceparent",
    pieces: [
      "00",
      "-",
      "ff",
      "01",
      "4bf92f3577b34da6a3ce929d0e0e4736",
      "00f067aa0ba902b7",
      "0".repeat(32),
      "congo=t61",
      ",",
      "=",
      " ",
      "@",
      "é",
    ],
    seeds: [
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
    ],
    shortRuns: 3_000,
    check(text) {
      const state = parseTraceState(text);
      assert.ok(state === null || state.length <= 1_024, "tracestate is bounded");
      const context = parseTraceContext(text, text);
      if (context === null) return;
      assert.match(context.traceId, /^(?!0+$)[0-9a-f]{32}$/);
      assert.match(context.spanId, /^(?!0+$)[0-9a-f]{16}$/);
      const again = parseTraceContext(formatTraceparent(context), null);
      assert.deepEqual([again?.traceId, again?.spanId, again?.isSampled], [
        context.traceId,
        context.spanId,
        context.isSampled,
      ]);
    },
  },
];
