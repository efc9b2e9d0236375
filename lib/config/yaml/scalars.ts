import { z } from "zod";
import {
  parseCidr,
  parseHostField,
  parseHostPattern,
  parseIpAddress,
  parseListenAddress,
  parseUpstreamUrl,
} from "../addresses.ts";
import { parseCorsOrigin } from "../cors.ts";
import { Interpolated } from "./interpolate.ts";
import { parseProxyUrl } from "../proxy_url.ts";
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from "./units.ts";

/** A range of status codes, both ends included. */
export type StatusRange = readonly [from: number, to: number];

/** Why a value cannot be used: what would have been right, and the allowed names if it is one of a few. */
export class Unusable {
  constructor(readonly expected: string, readonly choices: readonly string[] = []) {}
}

type Json = Record<string, unknown>;

/** How a scalar is read, and how it looks in the JSON Schema. */
export interface ScalarOptions<T> {
  /** The kind of value, one or two words. */
  readonly title: string;
  /** Keywords of the JSON Schema. */
  readonly json: Json;
  /** What is due. */
  readonly expected: Unusable;
  /** Whether `${…}` stays text (`text`), or becomes what YAML would read (`value`). */
  readonly interpolated: "text" | "value";
  /** `source` is the scalar as it stands in the file, where `${…}` is in it. */
  read(value: unknown, source: string | null): T | Unusable;
}

/** What a JSON Schema must also take where a value may come from `${…}`. */
const REFERENCE: Json = { type: "string", pattern: "\\$\\{" };

/** Keywords that also take `${…}`. */
function orReference(json: Json): Json {
  if (json.type === "string" && json.enum === undefined) {
    return json.pattern === undefined ? json : { ...json, pattern: `${json.pattern}|\\$\\{` };
  }
  const { anyOf, ...rest } = json;
  return Array.isArray(anyOf) ? { ...rest, anyOf: [...anyOf, REFERENCE] } : { anyOf: [json, REFERENCE] };
}

/** A scalar as a zod schema; its issues carry {@linkcode Unusable} texts. */
export function scalar<T>(options: ScalarOptions<T>) {
  return z.unknown().transform((input: unknown, context): T => {
    const value = !(input instanceof Interpolated)
      ? input
      : options.interpolated === "text"
      ? input.text()
      : input.value();
    const isScalar = value !== undefined && typeof value !== "object";
    const source = input instanceof Interpolated ? input.source : null;
    const result = isScalar ? options.read(value, source) : options.expected;
    if (!(result instanceof Unusable)) return result;
    context.addIssue({ code: "custom", message: result.expected, params: { choices: result.choices } });
    return z.NEVER;
  }).meta({ title: options.title, ...orReference(options.json) });
}

/** Limits of a text. */
export interface TextOptions {
  readonly title: string;
  /** The whole text must match. */
  readonly pattern: RegExp;
  readonly maxLength: number;
  readonly expected: string;
}

/** A text of a given form. A number or boolean is refused, because YAML may have changed it (`1.10` is 1.1). */
export function text(options: TextOptions) {
  const { title, pattern, maxLength } = options;
  const expected = new Unusable(options.expected);
  return scalar<string>({
    title,
    json: { type: "string" },
    expected,
    interpolated: "text",
    read(value) {
      if (typeof value === "number" || typeof value === "boolean") {
        return new Unusable(`${options.expected} (put quotes around it)`);
      }
      if (typeof value !== "string") return expected;
      if (value.length > maxLength) return new Unusable(`${options.expected}, ${maxLength} characters at most`);
      return pattern.test(value) ? value : expected;
    },
  });
}

/** A text that `parse` takes apart, `null` where it cannot. */
function parsed<T>(options: { title: string; expected: string; parse: (text: string) => T | null; pattern?: string }) {
  const expected = new Unusable(options.expected);
  const { title, pattern } = options;
  return scalar<T>({
    title,
    json: pattern === undefined ? { type: "string" } : { type: "string", pattern },
    expected,
    interpolated: "text",
    read: (value) => typeof value === "string" && value.length <= 2000 ? options.parse(value) ?? expected : expected,
  });
}

/** `true` or `false`. */
export function flag() {
  return scalar<boolean>({
    title: "boolean",
    json: { type: "boolean" },
    expected: new Unusable("true or false"),
    interpolated: "value",
    read: (value) => typeof value === "boolean" ? value : new Unusable("true or false", ["true", "false"]),
  });
}

/** One of a few names. */
export function choice<const T extends string>(names: readonly T[]) {
  const expected = new Unusable(names.length === 1 ? `"${names[0]}"` : `one of ${names.join(", ")}`, names);
  return scalar<T>({
    title: "name",
    json: { type: "string", enum: names },
    expected,
    interpolated: "text",
    read: (value) => names.find((name) => name === value) ?? expected,
  });
}

/** A whole number within limits. */
export function integer(min: number, max: number) {
  const expected = new Unusable(`a whole number from ${min} to ${max}`);
  return scalar<number>({
    title: "integer",
    json: { type: "integer", minimum: min, maximum: max },
    expected,
    interpolated: "value",
    read: (value) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max ? Number(value) : expected,
  });
}

/** A number above zero. */
export function positiveNumber(max: number) {
  const expected = new Unusable(`a number greater than 0 and at most ${max}`);
  return scalar<number>({
    title: "number",
    json: { type: "number", exclusiveMinimum: 0, maximum: max },
    expected,
    interpolated: "value",
    read: (value) => typeof value === "number" && value > 0 && value <= max ? value : expected,
  });
}

/** `auto`, or a whole number within limits. */
export function autoOrInteger(min: number, max: number) {
  const expected = new Unusable(`auto, or a whole number from ${min} to ${max}`, ["auto"]);
  return scalar<number | "auto">({
    title: "auto or integer",
    json: { anyOf: [{ const: "auto" }, { type: "integer", minimum: min, maximum: max }] },
    expected,
    interpolated: "value",
    read(value) {
      if (value === "auto") return "auto";
      return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max ? value : expected;
    },
  });
}

/** `auto`, `true` or `false`. */
export function autoOrFlag() {
  const expected = new Unusable("auto, true or false", ["auto", "true", "false"]);
  return scalar<boolean | "auto">({
    title: "auto or boolean",
    json: { anyOf: [{ const: "auto" }, { type: "boolean" }] },
    expected,
    interpolated: "value",
    read: (value) => value === "auto" || typeof value === "boolean" ? value : expected,
  });
}

/** A part of a whole, 0 to 1: a number, or a percentage such as `5%`. */
export function share() {
  const expected = new Unusable("a share such as 5% or 0.05, from 0 to 1");
  return scalar<number>({
    title: "share",
    json: {
      anyOf: [{ type: "string", pattern: "^[0-9]{1,3}(\\.[0-9]+)?%$" }, { type: "number", minimum: 0, maximum: 1 }],
    },
    expected,
    interpolated: "value",
    read(value) {
      const percent = typeof value === "string" ? /^(\d{1,3}(?:\.\d+)?)%$/.exec(value)?.[1] : undefined;
      const part = percent === undefined ? value : Number(percent) / 100;
      return typeof part === "number" && part >= 0 && part <= 1 ? part : expected;
    },
  });
}

/** A word, or a duration within limits in milliseconds. */
export function durationOr<const T extends string>(word: T, minMs: number, maxMs: number) {
  const limits = `from ${formatDurationMs(minMs)} to ${formatDurationMs(maxMs)}`;
  const expected = new Unusable(`${word}, or a duration such as 300ms, ${limits}`, [word]);
  return scalar<number | T>({
    title: `${word} or duration`,
    json: { anyOf: [{ const: word }, { type: "string", pattern: "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$" }] },
    expected,
    interpolated: "value",
    read(value) {
      if (value === word) return word;
      const durationMs = typeof value === "string" ? parseDurationMs(value) : null;
      return durationMs !== null && durationMs >= minMs && durationMs <= maxMs ? durationMs : expected;
    },
  });
}

/** A duration within limits, in milliseconds. */
export function duration(minMs: number, maxMs: number) {
  const limits = `from ${formatDurationMs(minMs)} to ${formatDurationMs(maxMs)}`;
  const expected = new Unusable(`a duration with its unit, such as 500ms, 30s, 5m, 1h or 30d, ${limits}`);
  return scalar<number>({
    title: "duration",
    json: { anyOf: [{ type: "string", pattern: "^(0|[0-9]+(\\.[0-9]+)?(ms|s|m|h|d))$" }, { const: 0 }] },
    expected,
    interpolated: "value",
    read(value) {
      const durationMs = value === 0 ? 0 : typeof value === "string" ? parseDurationMs(value) : null;
      return durationMs !== null && durationMs >= minMs && durationMs <= maxMs ? durationMs : expected;
    },
  });
}

/** A size within limits, in bytes. */
export function size(minBytes: number, maxBytes: number) {
  const limits = `from ${formatSizeBytes(minBytes)} to ${formatSizeBytes(maxBytes)}`;
  const expected = new Unusable(`a size such as 512KiB, 10MB, 10GiB or a number of bytes, ${limits}`);
  return scalar<number>({
    title: "size",
    json: {
      anyOf: [{ type: "string", pattern: "^[0-9]+(\\.[0-9]+)?([KMGT]i?B|B)?$" }, {
        type: "integer",
        minimum: minBytes,
      }],
    },
    expected,
    interpolated: "value",
    read(value) {
      const bytes = typeof value === "string"
        ? parseSizeBytes(value)
        : Number.isSafeInteger(value)
        ? Number(value)
        : null;
      return bytes !== null && bytes >= minBytes && bytes <= maxBytes ? bytes : expected;
    },
  });
}

/** An address to listen on. */
export function listenAddress() {
  return parsed({
    title: "listen address",
    expected: "an address with a port, such as 0.0.0.0:6635, [::1]:6636 or :6635",
    parse: parseListenAddress,
    pattern: "^[^ ]*:[0-9]+$",
  });
}

/** The URL of an upstream, without a slash at its end. */
export function upstreamUrl() {
  return scalar<string>({
    title: "URL",
    json: { type: "string", pattern: "^[Hh][Tt][Tt][Pp][Ss]?://" },
    expected: new Unusable("a URL such as https://one.example"),
    interpolated: "text",
    read(value) {
      if (typeof value !== "string" || value.length > 2000) return new Unusable("a URL such as https://one.example");
      const result = parseUpstreamUrl(value);
      return "url" in result ? result.url : new Unusable(result.expected);
    },
  });
}

/** The URL of a proxy, credentials included. */
export function proxyUrl() {
  const unusable = (expected: string) => new Unusable(expected);
  const usual = unusable("a proxy's URL such as http://10.0.0.1:3128 or socks5://10.0.0.1:1080");
  return scalar<string>({
    title: "proxy URL",
    json: { type: "string", pattern: "^([Hh][Tt][Tt][Pp][Ss]?|[Ss][Oo][Cc][Kk][Ss]5[Hh]?)://" },
    expected: usual,
    interpolated: "text",
    read(value) {
      if (typeof value !== "string" || value.length > 2000) return usual;
      const result = parseProxyUrl(value);
      return "url" in result ? result.url : unusable(result.expected);
    },
  });
}

/** A CIDR block or an address. */
export function cidr() {
  return parsed({ title: "CIDR block", expected: "a CIDR block such as 10.0.0.0/8 or ::1/128", parse: parseCidr });
}

/** An IP address. */
export function ipAddress() {
  return parsed({
    title: "IP address",
    expected: "an IP address such as 203.0.113.7 or 2001:db8::7",
    parse: parseIpAddress,
  });
}

/** A host to match requests against. */
export function hostPattern() {
  return parsed({
    title: "host",
    expected: "a host name without a port, such as example.com or *.example.com",
    parse: parseHostPattern,
  });
}

/** An origin of pages, or a pattern of origins. */
export function corsOrigin() {
  const expected = '"*", or an origin such as https://app.example or https://*.app.example, without path';
  return parsed({ title: "origin", expected, parse: parseCorsOrigin });
}

/** A value of the `Host` field. */
export function hostField() {
  return parsed({ title: "host", expected: "a host such as api.example or api.example:8443", parse: parseHostField });
}

/** The ends of a status code or a range of them; `null` where `value` is neither. */
function readStatusRange(value: unknown): StatusRange | null {
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(String(value));
  if (match === null) return null;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from <= to ? [from, to] : null;
}

/** A status code (`404`) or a range of them (`200-299`). */
export function statusRange() {
  const expected = new Unusable("a status such as 404 or a range such as 200-299");
  return scalar<StatusRange>({
    title: "status range",
    json: {
      anyOf: [{ type: "integer", minimum: 100, maximum: 599 }, {
        type: "string",
        pattern: "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$",
      }],
    },
    expected,
    interpolated: "value",
    read: (value) => readStatusRange(value) ?? expected,
  });
}

/** A media range (RFC 9110 §12.5.1) without parameters, in lower case. */
export function mediaRange() {
  const token = "[A-Za-z0-9!#$&^_.+-]+";
  const pattern = new RegExp(`^(?:\\*/\\*|${token}/(?:\\*|${token}))$`);
  return parsed({
    title: "media range",
    expected: "a media range such as application/json or image/*",
    parse: (value) => pattern.test(value) ? value.toLowerCase() : null,
  });
}

/** A path prefix: begins with `/`, and loses a slash at its end. */
export function pathPrefix() {
  return parsed({
    title: "path prefix",
    expected: "a path such as /3 or /, without query, fragment, spaces or empty segments",
    // Some clients put a whole URL behind a prefix of their own: /img/https://image.tmdb.org is one that is served.
    parse: (value) =>
      /^(?!.*(?<!\/https?:)\/\/)\/[^\s?#\\\p{Cc}]*$/u.test(value) ? value.replace(/(?<=.)\/$/, "") : null,
    pattern: "^/[^ ?#]*$",
  });
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** A name that stands in keys, labels and logs; `what` is for messages. */
export function name(what: string) {
  return text({ title: "name", pattern: NAME, maxLength: 64, expected: `a ${what} of letters, digits, _ . and -` });
}

/** Text without control characters, of at most `maxLength` characters. */
export function line(title: string, maxLength = 2000) {
  return text({ title, pattern: /^[^\p{Cc}]+$/u, maxLength, expected: `a ${title}, one line` });
}
