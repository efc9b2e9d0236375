import { z } from "zod";
import { Interpolated } from "./interpolate.ts";
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from "./units.ts";

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
export function parsed<T>(
  options: { title: string; expected: string; parse: (text: string) => T | null; pattern?: string },
) {
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

/** One of a few values that are no text alone; `title` and `expected` are for messages, `json` is their JSON Schema. */
export function literal<const T extends string | number | boolean>(
  values: readonly T[],
  { title, json, expected }: { readonly title: string; readonly json: Json; readonly expected: string },
) {
  const unusable = new Unusable(expected, values.map(String));
  const read = (value: unknown) => values.find((one) => one === value) ?? unusable;
  return scalar<T>({ title, json, expected: unusable, interpolated: "value", read });
}

/** `true` or `false`. */
export function flag() {
  return literal([true, false], { title: "boolean", json: { type: "boolean" }, expected: "true or false" });
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
  return number({ exclusiveMinimum: 0, maximum: max }, `a number greater than 0 and at most ${max}`);
}

/** A number from zero on. */
export function numberFromZero(max: number) {
  return number({ minimum: 0, maximum: max }, `a number from 0 to ${max}`);
}

function number(limits: { minimum?: number; exclusiveMinimum?: number; maximum: number }, due: string) {
  const { minimum = 0, exclusiveMinimum = -Infinity, maximum } = limits;
  const expected = new Unusable(due);
  return scalar<number>({
    title: "number",
    json: { type: "number", ...limits },
    expected,
    interpolated: "value",
    read: (value) =>
      typeof value === "number" && value >= minimum && value > exclusiveMinimum && value <= maximum ? value : expected,
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
  const json = { anyOf: [{ const: "auto" }, { type: "boolean" }] };
  return literal(["auto", true, false], { title: "auto or boolean", json, expected: "auto, true or false" });
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

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** A name that stands in keys, labels and logs; `what` is for messages. */
export function name(what: string) {
  return text({ title: "name", pattern: NAME, maxLength: 64, expected: `a ${what} of letters, digits, _ . and -` });
}

/** Text without control characters, of at most `maxLength` characters. */
export function line(title: string, maxLength = 2000) {
  return text({ title, pattern: /^[^\p{Cc}]+$/u, maxLength, expected: `a ${title}, one line` });
}
