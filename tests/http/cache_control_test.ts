import assert from "node:assert/strict";
import {
  deltaSeconds,
  MAX_DELTA_SECONDS,
  type RequestDirectives,
  requestDirectives,
  type ResponseDirectives,
  responseDirectives,
} from "../../lib/http/cache_control.ts";

/** Only what differs from an absent field. */
function said(value: string | null): Partial<ResponseDirectives> {
  const none = responseDirectives(null);
  const entries = Object.entries(responseDirectives(value));
  return Object.fromEntries(entries.filter(([name, result]) => result !== none[name as keyof ResponseDirectives]));
}

function asked(value: string): Partial<RequestDirectives> {
  return Object.fromEntries(
    Object.entries(requestDirectives(value)).filter(([, result]) => result !== null && result !== false),
  );
}

Deno.test("responseDirectives() reads every directive (RFC 9111 §5.2.2, RFC 5861)", () => {
  const cases: [value: string | null, expected: Partial<ResponseDirectives>][] = [
    [null, {}],
    ["", {}],
    ["max-age=3600", { maxAgeSeconds: 3600 }],
    ["s-maxage=1, max-age=3600", { maxAgeSeconds: 3600, sMaxageSeconds: 1 }],
    ["no-store", { noStore: true }],
    ["no-cache", { noCache: true }],
    ["private", { private: true }],
    ["public, must-revalidate, proxy-revalidate", { public: true, mustRevalidate: true, proxyRevalidate: true }],
    ["must-understand, no-transform", { mustUnderstand: true, noTransform: true }],
    ["stale-while-revalidate=4, stale-if-error=60", { staleWhileRevalidateSeconds: 4, staleIfErrorSeconds: 60 }],
    ['foobar, x=1, community="UCI", immutable', {}],
  ];
  for (const [value, expected] of cases) assert.deepEqual(said(value), expected, String(value));
});

Deno.test("responseDirectives() matches names without regard to case (RFC 9111 §5.2)", () => {
  assert.deepEqual(said("MaX-aGe=3600, No-StOrE, nO-cAChE, PRIVATE"), {
    maxAgeSeconds: 3600,
    noStore: true,
    noCache: true,
    private: true,
  });
});

Deno.test("responseDirectives() takes arguments as tokens and as quoted strings (RFC 9111 §5.2)", () => {
  const cases: [value: string, maxAgeSeconds: number | null][] = [
    ['max-age="3600"', 3600],
    ['max-age="3\\600"', 3600],
    ["max-age=003600", 3600],
    ["max-age=2147483648", MAX_DELTA_SECONDS],
    ["max-age=99999999999", MAX_DELTA_SECONDS],
    [`max-age=${"9".repeat(400)}`, MAX_DELTA_SECONDS],
    ['extension="max-age=3600"', null],
    ['extension="max-age=3600", max-age=1', 1],
    ['max-age=1, extension="max-age=3600"', 1],
    ['extension="max-age=3600", max-age="1"', 1],
    ['extension="a, max-age=3600, b', null],
  ];
  for (const [value, expected] of cases) assert.equal(said(value).maxAgeSeconds ?? null, expected, value);
});

Deno.test("responseDirectives() counts a malformed lifetime as stale (RFC 9111 §4.2.1)", () => {
  const broken = [
    "max-age=-3600",
    "max-age=3600.0",
    "max-age=3600.5",
    "max-age=a3600",
    "max-age=3600a",
    "max-age='3600'",
    "max-age =3600",
    "max-age= 3600",
    "max-age",
    "max-age=",
    'max-age=""',
    'max-age="3600',
  ];
  for (const value of broken) assert.equal(said(value).maxAgeSeconds, 0, value);
  assert.equal(said("s-maxage=x").sMaxageSeconds, 0);
  assert.deepEqual(said("stale-while-revalidate=x, stale-if-error= 3"), {}, "a malformed extension allows nothing");
});

Deno.test("responseDirectives() takes the first of repeated lifetimes (RFC 9111 §4.2.1)", () => {
  assert.equal(said("max-age=1800, max-age=1").maxAgeSeconds, 1800);
  assert.equal(said("max-age=1, max-age=1800").maxAgeSeconds, 1);
});

Deno.test("responseDirectives() honours what restricts however it is written, what allows only well formed", () => {
  assert.deepEqual(said("no-store=1, no-cache=, private =x, must-revalidate=?0"), {
    noStore: true,
    noCache: true,
    private: ["x"],
    mustRevalidate: true,
  });
  assert.deepEqual(said("public =1"), {});
});

Deno.test("responseDirectives() reads field names of no-cache and private (RFC 9111 §5.2.2.4, §5.2.2.7)", () => {
  const cases: [value: string, expected: ResponseDirectives["private"]][] = [
    ['private="Set-Cookie"', ["set-cookie"]],
    ['private="a, b"', ["a", "b"]],
    ["private=set-cookie", ["set-cookie"]],
    ['private="a", private="b"', ["a", "b"]],
    ['private="a", private', true],
    ['private=""', true],
    ['private="a b"', true],
    ['private=","', true],
  ];
  for (const [value, expected] of cases) {
    assert.deepEqual(said(value).private, expected, value);
    assert.deepEqual(said(value.replaceAll("private", "no-cache")).noCache, expected, value);
  }
});

Deno.test("responseDirectives() reads a bounded number of directives", () => {
  assert.deepEqual(said("a,".repeat(100_000) + "max-age=1"), {});
});

Deno.test("requestDirectives() reads every directive and leaves out what is malformed (RFC 9111 §5.2.1, RFC 5861 §4)", () => {
  const cases: [value: string, expected: Partial<RequestDirectives>][] = [
    ["nothing-to-see-here", {}],
    ["no-cache", { noCache: true }],
    ["No-Store, only-if-cached", { noStore: true, onlyIfCached: true }],
    ["max-age=0", { maxAgeSeconds: 0 }],
    ["max-age=x, min-fresh=-1", {}],
    ["min-fresh=20", { minFreshSeconds: 20 }],
    ["max-stale", { maxStaleSeconds: Infinity }],
    ["max-stale=10", { maxStaleSeconds: 10 }],
    ["max-stale=", {}],
    ["max-stale=x", {}],
    ["stale-if-error=30", { staleIfErrorSeconds: 30 }],
  ];
  for (const [value, expected] of cases) assert.deepEqual(asked(value), expected, value);
});

Deno.test("deltaSeconds() takes digits only and stops at 2^31 (RFC 9111 §1.2.2)", () => {
  assert.equal(deltaSeconds("0"), 0);
  assert.equal(deltaSeconds("2147483647"), 2147483647);
  assert.equal(deltaSeconds("2147483649"), MAX_DELTA_SECONDS);
  for (const text of ["", " 1", "1 ", "+1", "-1", "1.0", "1e3", "0x1", "١"]) {
    assert.equal(deltaSeconds(text), null, text);
  }
});
