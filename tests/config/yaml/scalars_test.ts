import assert from "node:assert/strict";
import type { z } from "zod";
import { Interpolated } from "../../../lib/config/yaml/interpolate.ts";
import { integer } from "../../../lib/config/yaml/scalars.ts";
import { asMapping, section } from "../../../lib/config/yaml/section.ts";
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from "../../../lib/config/yaml/units.ts";
import { integer as below, seededRandom } from "../../seeded_random.ts";

import * as http from "../../../lib/config/http_scalars.ts";
import * as scalars from "../../../lib/config/yaml/scalars.ts";

/** What `schema` makes of `value`: the value read, or what it expected. */
function read(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  return result.success ? result.data : new Error(result.error.issues[0]?.message);
}

/** A value as the environment gives it. */
function outside(text: string): Interpolated {
  return new Interpolated(text, [{ kind: "env", name: "X", fallback: null }]);
}

const day = 86_400_000;

const ACCEPTED: ReadonlyArray<readonly [z.ZodType, unknown, unknown]> = [
  [scalars.flag(), false, false],
  [scalars.flag(), outside("true"), true],
  [scalars.choice(["a", "b"]), "b", "b"],
  [scalars.choice(["a", "b"]), outside("b"), "b"],
  [scalars.integer(1, 20), 20, 20],
  [scalars.integer(1, 20), outside(" 7 "), 7],
  [scalars.positiveNumber(10), 0.5, 0.5],
  [scalars.autoOrInteger(1, 8), "auto", "auto"],
  [scalars.autoOrInteger(1, 8), outside("8"), 8],
  [scalars.autoOrFlag(), "auto", "auto"],
  [scalars.autoOrFlag(), outside("true"), true],
  [scalars.share(), "5%", 0.05],
  [scalars.share(), "12.5%", 0.125],
  [scalars.share(), 1, 1],
  [scalars.share(), outside("0.2"), 0.2],
  [scalars.durationOr("p95", 1, day), "p95", "p95"],
  [scalars.durationOr("p95", 1, day), outside("300ms"), 300],
  [scalars.duration(0, day), 0, 0],
  [scalars.duration(0, day), "30s", 30_000],
  [scalars.duration(0, day), outside("0"), 0],
  [scalars.duration(0, day), outside("5m"), 300_000],
  [scalars.size(0, 2 ** 50), 4096, 4096],
  [scalars.size(0, 2 ** 50), "10MiB", 10_485_760],
  [scalars.size(0, 2 ** 50), outside("4096"), 4096],
  [http.listenAddress(), ":80", { hostname: "0.0.0.0", port: 80 }],
  [http.upstreamUrl(), outside("HTTPS://One.Example/"), "https://one.example"],
  [http.cidr(), "10.0.0.0/8", "10.0.0.0/8"],
  [http.peerBlock(), "10.0.0.0/8", "10.0.0.0/8"],
  [http.peerBlock(), "unix", "unix"],
  [http.ipAddress(), "[::1]", "::1"],
  [http.hostPattern(), "*.A.example", "*.a.example"],
  [http.hostField(), "a.example:81", "a.example:81"],
  [http.statusRange(), 404, [404, 404]],
  [http.statusRange(), "200-299", [200, 299]],
  [http.statusRange(), outside("404"), [404, 404]],
  [http.mediaRange(), "Image/*", "image/*"],
  [http.mediaRange(), "*/*", "*/*"],
  [http.pathPrefix(), "/", "/"],
  [http.pathPrefix(), "/t/p/", "/t/p"],
  [http.pathPrefix(), "/img/http://image.tmdb.org/", "/img/http://image.tmdb.org"],
  [http.pathPrefix(), "/https://api.tmdb.org/3", "/https://api.tmdb.org/3"],
];

const REFUSED: ReadonlyArray<readonly [z.ZodType, unknown, RegExp]> = [
  [scalars.flag(), "yes", /^true or false$/],
  [scalars.flag(), 1, /^true or false$/],
  [scalars.flag(), undefined, /^true or false$/],
  [scalars.choice(["a", "b"]), "c", /^one of a, b$/],
  [scalars.choice(["a"]), "toString", /^"a"$/],
  [scalars.integer(1, 20), 0, /from 1 to 20/],
  [scalars.integer(1, 20), 1.5, /whole number/],
  [scalars.integer(1, 20), "7", /whole number/],
  [scalars.integer(1, 20), Infinity, /whole number/],
  [scalars.integer(1, 20), outside("many"), /whole number/],
  [scalars.positiveNumber(10), 0, /greater than 0/],
  [scalars.positiveNumber(10), -1, /greater than 0/],
  [scalars.positiveNumber(10), NaN, /greater than 0/],
  [scalars.positiveNumber(10), Infinity, /at most 10/],
  [scalars.autoOrInteger(1, 8), 9, /auto, or a whole number from 1 to 8/],
  [scalars.autoOrFlag(), "yes", /^auto, true or false$/],
  [scalars.share(), "5", /such as 5% or 0.05/],
  [scalars.share(), "101%", /from 0 to 1/],
  [scalars.share(), 1.01, /from 0 to 1/],
  [scalars.share(), -0.1, /from 0 to 1/],
  [scalars.durationOr("p95", 1, day), "p99", /^p95, or a duration/],
  [scalars.durationOr("p95", 1, day), 300, /^p95, or a duration/],
  [scalars.duration(1000, day), 30, /with its unit/],
  [scalars.duration(1000, day), "30", /with its unit/],
  [scalars.duration(1000, day), "999ms", /from 1s to 1d/],
  [scalars.duration(1000, day), "25h", /from 1s to 1d/],
  [scalars.duration(1000, day), true, /with its unit/],
  [scalars.size(1024, 2 ** 40), 1023, /from 1KiB to 1TiB/],
  [scalars.size(1024, 2 ** 40), 2000.5, /a size such as/],
  [scalars.size(1024, 2 ** 40), "10 GB", /a size such as/],
  [http.listenAddress(), 80, /such as 0\.0\.0\.0:6635/],
  [http.upstreamUrl(), "ftp://a", /http or https/],
  [http.upstreamUrl(), "x".repeat(3000), /a URL/],
  [http.peerBlock(), "10.0.0.1/8", /CIDR/],
  [http.ipAddress(), "one.example", /an IP address/],
  [http.hostPattern(), "a:80", /without a port/],
  [http.statusRange(), 99, /a status/],
  [http.statusRange(), 600, /a status/],
  [http.statusRange(), "299-200", /a range/],
  [http.statusRange(), Object.create(null), /a range/],
  [http.statusRange(), [404], /a range/],
  [http.statusRange(), "2xx", /a range/],
  [http.mediaRange(), "image", /media range/],
  [http.mediaRange(), "*/png", /media range/],
  [http.mediaRange(), "text/html; charset=utf-8", /media range/],
  [http.pathPrefix(), "3", /a path/],
  [http.pathPrefix(), "//a", /a path/],
  [http.pathPrefix(), "/a//b", /a path/],
  [http.pathPrefix(), "/ftp://b", /a path/],
  [http.pathPrefix(), "/xhttp://b", /a path/],
  [http.pathPrefix(), "/http:///b", /a path/],
  [http.pathPrefix(), "/a?b", /a path/],
  [http.pathPrefix(), "/a b", /a path/],
];

Deno.test("every scalar reads what is right, also from outside", () => {
  for (const [schema, value, expected] of ACCEPTED) assert.deepEqual(read(schema, value), expected);
});

Deno.test("every scalar refuses the rest and says what is due", () => {
  for (const [schema, value, expected] of REFUSED) {
    const result = read(schema, value);
    assert.ok(result instanceof Error, `${Deno.inspect(value)} was read as ${JSON.stringify(result)}`);
    assert.match(result.message, expected);
  }
});

Deno.test("text() refuses what YAML may have changed, but takes digits from outside as they are", () => {
  const digits = scalars.text({ title: "name", pattern: /^\w+$/, maxLength: 5, expected: "a name" });
  assert.equal(read(digits, outside("007")), "007");
  assert.match(String(read(digits, 7)), /put quotes around it/);
  assert.match(String(read(digits, true)), /put quotes around it/);
  assert.match(String(read(digits, "abcdef")), /5 characters at most/);
  assert.match(String(read(digits, "a b")), /a name$/);
});

Deno.test("every scalar takes ${…} in its JSON Schema", () => {
  for (const [schema] of ACCEPTED) {
    const json = schema.meta() ?? {};
    const forms = [json, ...(Array.isArray(json.anyOf) ? json.anyOf : [])];
    const accepts = forms.some((form) =>
      form.type === "string" && form.enum === undefined &&
      (form.pattern === undefined || new RegExp(String(form.pattern), "u").test("${NAME}"))
    );
    assert.ok(accepts, JSON.stringify(json));
  }
});

const schema = asMapping(section({ a: integer(1, 5), b: integer(1, 5).prefault(2) }));

Deno.test("section() takes its keys, fills defaults, and names all keys where one is unknown", () => {
  assert.deepEqual(schema.parse({ a: 1 }), { a: 1, b: 2 });
  assert.equal(schema.safeParse({ a: 1, c: 1 }).error?.issues[0]?.message, "a, b");
  assert.equal(schema.safeParse(5).error?.issues[0]?.message, "a mapping with a, b");
});

Deno.test("asMapping() sees that a value from outside is no mapping", () => {
  const outside = new Interpolated("text", [{ kind: "env", name: "X", fallback: null }]);
  assert.equal(schema.safeParse(outside).error?.issues[0]?.message, "a mapping with a, b");
});

const DURATIONS: ReadonlyArray<readonly [string, number | null]> = [
  ["0", 0],
  ["0s", 0],
  ["500ms", 500],
  ["30s", 30_000],
  ["5m", 300_000],
  ["1h", 3_600_000],
  ["30d", 2_592_000_000],
  ["1.1s", 1100],
  ["0.5ms", null],
  ["30", null],
  ["", null],
  ["s", null],
  ["-1s", null],
  ["1 s", null],
  ["1S", null],
  ["1w", null],
  ["1h30m", null],
  ["1e3s", null],
  ["9999999999999999d", null],
  ["1toString", null],
];

const SIZES: ReadonlyArray<readonly [string, number | null]> = [
  ["0", 0],
  ["4096", 4096],
  ["10B", 10],
  ["512KiB", 524_288],
  ["1.5MiB", 1_572_864],
  ["10GiB", 10_737_418_240],
  ["1TiB", 1_099_511_627_776],
  ["10KB", 10_000],
  ["10MB", 10_000_000],
  ["10GB", 10_000_000_000],
  ["2TB", 2_000_000_000_000],
  ["0.0001KB", null],
  ["1.5B", null],
  ["10M", null],
  ["10mb", null],
  ["-1", null],
  ["", null],
  ["99999999999999999", null],
  ["9007199254740993", null],
  ["1__proto__", null],
];

Deno.test("parseDurationMs() reads what has a unit and refuses the rest", () => {
  for (const [text, expected] of DURATIONS) assert.equal(parseDurationMs(text), expected, text);
});

Deno.test("parseSizeBytes() reads both kinds of unit and refuses the rest", () => {
  for (const [text, expected] of SIZES) assert.equal(parseSizeBytes(text), expected, text);
});

Deno.test("formatDurationMs() and formatSizeBytes() are read back as what they were (seeded)", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 2000; round++) {
    const value = below(random, 2 ** below(random, 53)) * [1, 1000, 1024, 60_000, 86_400_000][below(random, 5)]!;
    if (!Number.isSafeInteger(value)) continue;
    assert.equal(parseDurationMs(formatDurationMs(value)), value);
    assert.equal(parseSizeBytes(formatSizeBytes(value)), value);
  }
});
