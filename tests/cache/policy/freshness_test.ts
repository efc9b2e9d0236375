import assert from "node:assert/strict";
import { applicableDirectives, initialAgeMs } from "../../../lib/cache/policy/freshness.ts";
import { type Field, fieldValue } from "../../../lib/http/fields.ts";
import { at, decideStored, NOW_MS, request, RFC9111, rule, TTL } from "./policy_case.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
/** Makes a response worth storing whatever its lifetime. */
const ETAG: Field = ["etag", '"1"'];

function lifetimes(cases: readonly [why: string, fields: Field[], lifetimeSeconds: number][]): void {
  for (const [why, fields, lifetimeSeconds] of cases) {
    assert.equal(decideStored({ fields: [...fields, ETAG] }).freshness.lifetimeMs, lifetimeSeconds * SECOND, why);
  }
}

Deno.test("freshnessOf() s-maxage before max-age before Expires (RFC 9111 §4.2.1)", () => {
  lifetimes([
    ["max-age", [["cache-control", "max-age=3600"]], 3600],
    ["s-maxage alone", [["cache-control", "s-maxage=3600"]], 3600],
    ["s-maxage shorter", [["cache-control", "max-age=3600, s-maxage=1"]], 1],
    ["s-maxage shorter, first", [["cache-control", "s-maxage=1, max-age=3600"]], 1],
    ["s-maxage on another line", [["cache-control", "max-age=3600"], ["cache-control", "s-maxage=1"]], 1],
    ["s-maxage longer", [["cache-control", "max-age=1, s-maxage=3600"]], 3600],
    [
      "s-maxage over max-age=0 and Expires",
      [["expires", at(-10)], ["cache-control", "max-age=0, s-maxage=3600"]],
      3600,
    ],
    ["max-age over a past Expires", [["cache-control", "max-age=3600"], ["expires", at(-7200)], ["date", at(0)]], 3600],
    ["max-age over a broken Expires", [["cache-control", "max-age=3600"], ["expires", "0"]], 3600],
    ["max-age=0 over a future Expires", [["expires", at(3600)], ["cache-control", "max-age=0"]], 0],
    ["with an extension", [["cache-control", "foobar, max-age=3600"]], 3600],
    ["nothing said", [], 0],
  ]);
});

Deno.test("freshnessOf() Expires minus Date (RFC 9111 §4.2.1, §5.3)", () => {
  lifetimes([
    ["future", [["expires", at(3000)], ["date", at(0)]], 3000],
    ["past", [["expires", at(-3000)], ["date", at(0)]], 0],
    ["now", [["expires", at(0)], ["date", at(0)]], 0],
    ["older than a fast Date", [["expires", at(300)], ["date", at(400)]], 0],
    ["Date slow", [["expires", at(10)], ["date", at(-10)]], 20],
    ["without Date", [["expires", at(10)]], 10],
    ["broken Date", [["expires", at(10)], ["date", "foo"]], 10],
    ["broken", [["expires", "0"], ["date", at(0)]], 0],
    ["another zone", [["expires", "Thu, 18 Aug 2050 02:01:18 AEST"], ["date", at(0)]], 0],
    ["first of several", [["expires", at(10)], ["expires", at(3000)]], 10],
    ["first of several, broken", [["expires", "x"], ["expires", at(3000)]], 0],
    ["empty", [["expires", ""]], 0],
  ]);
});

Deno.test("freshnessOf() guesses a tenth since the last change, at most a day (RFC 9111 §4.2.2)", () => {
  lifetimes([
    ["a tenth", [["last-modified", at(-1000)], ["date", at(0)]], 100],
    ["at most a day", [["last-modified", at(-100 * 86_400)], ["date", at(0)]], 86_400],
    ["changed after Date", [["last-modified", at(10)], ["date", at(0)]], 0],
    ["no date", [["last-modified", "long ago"]], 0],
    ["stated times come first", [["last-modified", at(-1000)], ["cache-control", "max-age=1"]], 1],
    ["a broken stated time is stale", [["last-modified", at(-1000)], ["cache-control", "max-age=x"]], 0],
  ]);
});

Deno.test("freshnessOf() guesses only where the status allows it, or `public` does (RFC 9111 §4.2.2)", () => {
  const fields: Field[] = [["last-modified", at(-86_400)], ["date", at(0)], ETAG];
  for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]) {
    assert.equal(decideStored({ status, fields }).freshness.lifetimeMs, 8640 * SECOND, String(status));
  }
  const isPublic: Field = ["cache-control", "public"];
  assert.equal(decideStored({ status: 599, fields: [...fields, isPublic] }).freshness.lifetimeMs, 8640 * SECOND);
});

Deno.test("applicableDirectives() the first valid targeted field, else Cache-Control (RFC 9213 §2.2)", () => {
  const cdn = (value: string): Field => ["cdn-cache-control", value];
  lifetimes([
    ["alone", [cdn("max-age=3600")], 3600],
    ["longer", [["cache-control", "max-age=1"], cdn("max-age=3600")], 3600],
    ["shorter", [["cache-control", "max-age=3600"], cdn("max-age=1")], 1],
    ["over Expires", [["expires", at(10_000)], ["date", at(0)], cdn("max-age=0")], 0],
    ["over a past Expires", [["expires", at(-10_000)], ["date", at(0)], cdn("max-age=3600")], 3600],
    ["over a broken Expires", [["expires", "0"], cdn("max-age=3600")], 3600],
    ["over no-store", [["cache-control", "no-store"], cdn("max-age=10000")], 10_000],
    ["Expires does not count beside it", [["expires", at(3000)], ["date", at(0)], cdn("foo")], 0],
    ["broken", [["cache-control", "max-age=7"], cdn("max-age=10000, &&&&&")], 7],
    ["wrong type", [["cache-control", "max-age=7"], cdn('max-age="10000"')], 7],
    ["empty", [["cache-control", "max-age=7"], cdn("")], 7],
    ["before Surrogate-Control", [["surrogate-control", "max-age=1"], cdn("max-age=5")], 5],
    ["Surrogate-Control", [["cache-control", "max-age=1"], ["surrogate-control", "max-age=9"]], 9],
    ["Surrogate-Control of ESI only", [["cache-control", "max-age=7"], ["surrogate-control", 'content="ESI/1.0"']], 7],
  ]);
});

Deno.test("applicableDirectives() keeps the order of the target list (RFC 9213 §2.1)", () => {
  const fields: Field[] = [["surrogate-control", "max-age=1"], ["cdn-cache-control", "max-age=2"], [
    "x-edge",
    "max-age=3",
  ]];
  const first = (names: string[]) =>
    applicableDirectives((name) => fieldValue(fields, name), names).directives.maxAgeSeconds;
  assert.equal(first(["x-edge", "cdn-cache-control"]), 3);
  assert.equal(first(["surrogate-control", "cdn-cache-control"]), 1);
  assert.equal(first([]), 1);
});

Deno.test("initialAgeMs() adds the delay to Age, and takes Date if older (RFC 9111 §4.2.3)", () => {
  const cases: [why: string, fields: Field[], delayMs: number, ageMs: number][] = [
    ["nothing", [], 0, 0],
    ["delay", [], 5000, 5000],
    ["Age", [["age", "30"]], 500, 30_500],
    ["Date", [["date", at(-7200)]], 500, 7_200_000],
    ["Age over Date", [["age", "7200"], ["date", at(-10)]], 0, 7_200_000],
    ["Date in the future", [["date", at(60)]], 0, 0],
    ["broken Date", [["date", "foo"]], 0, 0],
    ["clock set back", [], -5000, 0],
  ];
  for (const [why, fields, delayMs, ageMs] of cases) {
    assert.equal(initialAgeMs(fields, { requestTimeMs: NOW_MS - delayMs, responseTimeMs: NOW_MS }), ageMs, why);
  }
});

Deno.test("initialAgeMs() counts no part of a second as age (RFC 9110 §5.6.7)", () => {
  const times = { requestTimeMs: NOW_MS + 990, responseTimeMs: NOW_MS + 999 };
  assert.equal(initialAgeMs([["date", at(0)]], times), 9);
});

Deno.test("initialAgeMs() ignores a malformed Age and takes the first of several (RFC 9111 §5.1)", () => {
  const times = { requestTimeMs: NOW_MS, responseTimeMs: NOW_MS };
  const cases: [ages: string[], seconds: number][] = [
    [["abc"], 0],
    [["-7200"], 0],
    [["7200.0"], 0],
    [["7200;foo=bar"], 0],
    [[""], 0],
    [["2147483647"], 2_147_483_647],
    [["2147483648"], 2_147_483_648],
    [["2147483649"], 2_147_483_648],
    [["7200, 0"], 7200],
    [["0, 7200"], 0],
    [["7200", "0"], 7200],
    [["0", "7200"], 0],
    [["3600", "3600"], 3600],
    [[" 0 ,0"], 0],
  ];
  for (const [ages, seconds] of cases) {
    assert.equal(initialAgeMs(ages.map((age): Field => ["age", age]), times), seconds * SECOND, ages.join(" | "));
  }
});

Deno.test("freshnessOf() which directives forbid stale use (RFC 9111 §4.2.4)", () => {
  const forbids = (value: string) =>
    decideStored({ fields: [["cache-control", value], ETAG] }).freshness.mustRevalidate;
  for (const directive of ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"]) {
    assert.equal(forbids(`max-age=2, ${directive}`), true, directive);
  }
  assert.equal(forbids("max-age=2"), false);
  assert.equal(forbids('max-age=2, no-cache="x"'), false);
});

Deno.test("freshnessOf() windows of stale use, in mode rfc9111 the origin's first (RFC 5861)", () => {
  const routeTtl = { ttlMs: 1, staleWhileRevalidateMs: 2000, staleIfErrorMs: 3000 };
  const rules = [rule({ staleWhileRevalidateMs: 5000 })];
  const windows = (value: string, options = RFC9111) => {
    const { freshness } = decideStored({
      fields: [["cache-control", value]],
      request: request({}, { routeTtl }),
      options,
    });
    return [freshness.staleWhileRevalidateMs, freshness.staleIfErrorMs];
  };
  assert.deepEqual(windows("max-age=60, stale-while-revalidate=7, stale-if-error=8"), [7000, 8000]);
  assert.deepEqual(windows("max-age=60"), [2000, 3000]);
  assert.deepEqual(windows("max-age=60", { ...RFC9111, rules }), [5000, 3000]);
  assert.deepEqual(windows("max-age=60, stale-while-revalidate=7", { ...TTL, rules }), [5000, 3000]);
  assert.deepEqual(
    decideStored({ fields: [["surrogate-control", "max-age=1+30"]] }).freshness.staleIfErrorMs,
    30_000,
  );
});

Deno.test("freshnessOf() in mode ttl a configured time comes before the origin's, and counts from receipt", () => {
  const routeTtl = { ttlMs: 10 * MINUTE, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
  const fields: Field[] = [["cache-control", "max-age=1, must-revalidate, no-cache"], ["age", "100"], ETAG];
  const { freshness } = decideStored({ fields, request: request({}, { routeTtl }), options: TTL });
  assert.deepEqual(freshness, {
    initialAgeMs: 100 * SECOND,
    lifetimeMs: 100 * SECOND + 10 * MINUTE,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 0,
    mustRevalidate: false,
    alwaysValidate: false,
  });
});

Deno.test("freshnessOf() in mode ttl without a configured time the origin is obeyed", () => {
  const { freshness } = decideStored({ fields: [["cache-control", "max-age=1, must-revalidate"], ETAG], options: TTL });
  assert.equal(freshness.lifetimeMs, SECOND);
  assert.equal(freshness.mustRevalidate, true);
});

Deno.test("freshnessOf() in mode rfc9111 a configured time stands in where the origin says nothing", () => {
  const options = { ...RFC9111, rules: [rule({ ttlMs: 30 * DAY })] };
  const lifetimeMs = (fields: Field[], status = 200) => decideStored({ fields, status, options }).freshness.lifetimeMs;
  assert.equal(lifetimeMs([]), 30 * DAY);
  assert.equal(lifetimeMs([["cache-control", "max-age=60"]]), MINUTE);
  assert.equal(lifetimeMs([], 404), 10 * MINUTE, "what is not there is forgotten soon");
});

Deno.test("freshnessOf() min_ttl prolongs only what it may, max_ttl shortens everything", () => {
  const rules = [rule({ minTtlMs: 10 * MINUTE, maxTtlMs: 60 * MINUTE })];
  const lifetimeMs = (value: string, mode: "rfc9111" | "ttl") =>
    decideStored({ fields: [["cache-control", value], ETAG], options: { ...RFC9111, mode, rules } }).freshness
      .lifetimeMs;
  assert.equal(lifetimeMs("max-age=60", "ttl"), 10 * MINUTE);
  assert.equal(lifetimeMs("max-age=60", "rfc9111"), MINUTE);
  assert.equal(lifetimeMs("max-age=86400", "ttl"), 60 * MINUTE);
  assert.equal(lifetimeMs("max-age=86400", "rfc9111"), 60 * MINUTE);
  const capped = decideStored({
    fields: [["cache-control", "max-age=86400"]],
    options: { ...RFC9111, maxTtlMs: MINUTE },
  });
  assert.equal(capped.freshness.lifetimeMs, MINUTE);
  const configured = (ttlMs: number, maxTtlMs: number | null) =>
    decideStored({ fields: [ETAG], options: { ...TTL, rules: [rule({ ttlMs })], maxTtlMs } }).freshness.lifetimeMs;
  assert.equal(configured(10 * MINUTE, MINUTE), MINUTE);
  assert.equal(configured(10 * MINUTE, null), 10 * MINUTE);
  assert.equal(configured(0, null), 0);
});

Deno.test("freshnessOf() in mode ttl what is missing or elsewhere is remembered for ten minutes at most, unless a rule names it", () => {
  const routeTtl = { ttlMs: DAY, staleWhileRevalidateMs: DAY, staleIfErrorMs: DAY };
  const freshness = (status: number, rules = TTL.rules) =>
    decideStored({ status, request: request({}, { routeTtl }), options: { ...TTL, rules } }).freshness;
  for (const status of [204, 300, 301, 308, 404, 410]) {
    assert.equal(freshness(status).lifetimeMs, 10 * MINUTE);
    assert.ok(freshness(status).staleIfErrorMs <= 10 * MINUTE);
    assert.ok(freshness(status).staleWhileRevalidateMs <= 10 * MINUTE);
  }
  const named = [rule({ status: [[400, 499]], ttlMs: 20 * MINUTE })];
  assert.equal(freshness(404, named).lifetimeMs, 20 * MINUTE);
  assert.equal(freshness(422, named).lifetimeMs, 20 * MINUTE);
});

Deno.test("freshnessOf() failures are remembered for a second at most, and only where a rule names them", () => {
  const rules = [rule({ status: [[429, 429], [500, 599]], ttlMs: DAY, staleIfErrorMs: DAY, minTtlMs: DAY })];
  for (const status of [429, 500, 503, 504]) {
    const { freshness } = decideStored({ status, options: { ...TTL, rules } });
    assert.equal(freshness.lifetimeMs, SECOND, String(status));
    assert.ok(freshness.staleIfErrorMs <= SECOND);
  }
});

Deno.test("freshnessOf() lets s-maxage leave stale-while-revalidate in force where told to, and nothing else", () => {
  const shared = { ...RFC9111, sharedStale: true };
  const cases: [said: string, isForbidden: boolean, whileSeconds: number][] = [
    ["s-maxage=60, stale-while-revalidate=30", false, 30],
    ["max-age=1, s-maxage=60, stale-while-revalidate=30", false, 30],
    ["s-maxage=60, stale-while-revalidate", false, 365 * 86_400],
    ["s-maxage=60", true, 0],
    ["s-maxage=60, stale-if-error=30", true, 0],
    ["s-maxage=60, stale-while-revalidate=0", true, 0],
    ['s-maxage=60, stale-while-revalidate="x"', true, 0],
    ["s-maxage=60, stale-while-revalidate=30, must-revalidate", true, 30],
    ["s-maxage=60, stale-while-revalidate=30, proxy-revalidate", true, 30],
    ["s-maxage=60, stale-while-revalidate=30, no-cache", true, 30],
  ];
  for (const [said, isForbidden, whileSeconds] of cases) {
    const fields: Field[] = [["cache-control", said], ETAG];
    const { freshness } = decideStored({ fields, options: shared });
    assert.deepEqual(
      [freshness.mustRevalidate, freshness.staleWhileRevalidateMs / SECOND],
      [isForbidden, whileSeconds],
      said,
    );
    assert.equal(decideStored({ fields }).freshness.mustRevalidate, true, said);
  }
});

Deno.test("freshnessOf() takes what a cache before has served stale for stale, whatever is configured", () => {
  const routeTtl = { ttlMs: MINUTE, staleWhileRevalidateMs: SECOND, staleIfErrorMs: DAY };
  const rules = [rule({ minTtlMs: MINUTE })];
  const stored = (status: string) =>
    decideStored({
      fields: [["age", "7"], ["cache-status", status]],
      request: request({}, { routeTtl }),
      options: { ...TTL, rules },
    }).freshness;
  for (const status of ["inner; hit; ttl=-1", "cdn; hit; ttl=5, inner; fwd=stale; ttl=-0; detail=stale-if-error"]) {
    const { lifetimeMs, initialAgeMs: ageMs, staleWhileRevalidateMs, staleIfErrorMs } = stored(status);
    assert.deepEqual([lifetimeMs, ageMs, staleWhileRevalidateMs, staleIfErrorMs], [7000, 7000, SECOND, DAY], status);
  }
  for (
    const status of ["cdn; hit; ttl=-9, inner; fwd=stale; fwd-status=304; ttl=60", 'a; hit; key=", b; ttl=-1"', ""]
  ) {
    assert.equal(stored(status).lifetimeMs, 7000 + MINUTE, status);
  }
});
