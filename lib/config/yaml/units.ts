/** Milliseconds in a unit of time. */
export const SECOND = 1000;
/** Milliseconds. */
export const MINUTE = 60 * SECOND;
/** Milliseconds. */
export const HOUR = 60 * MINUTE;
/** Milliseconds. */
export const DAY = 24 * HOUR;
/** Milliseconds; leap years are not counted. */
export const YEAR = 365 * DAY;

/** Bytes in a unit of size. */
export const KiB = 1024;
/** Bytes. */
export const MiB = 1024 * KiB;
/** Bytes. */
export const GiB = 1024 * MiB;
/** Bytes. */
export const TiB = 1024 * GiB;
/** Bytes. */
export const PiB = 1024 * TiB;

/** Milliseconds in each unit of time that the configuration knows, the largest first. */
const DURATION_UNITS = [["d", DAY], ["h", HOUR], ["m", MINUTE], ["s", SECOND], ["ms", 1]] as const;

/** Bytes in each unit of size: powers of 1024 (`KiB`) first, then powers of 1000 (`KB`), each the largest first. */
const SIZE_UNITS = [
  ["TiB", TiB],
  ["GiB", GiB],
  ["MiB", MiB],
  ["KiB", KiB],
  ["TB", 1e12],
  ["GB", 1e9],
  ["MB", 1e6],
  ["KB", 1e3],
  ["B", 1],
] as const;

/** A number with at most three digits behind the point, then letters. */
const QUANTITY = /^(\d{1,16})(?:\.(\d{1,3}))?([A-Za-z]+)$/;

/** `value`, or `null` where it is not a whole number that is held exactly. */
function safeInteger(value: number): number | null {
  return Number.isSafeInteger(value) ? value : null;
}

/** The whole number that `text` means in `units`, or `null`. */
function quantity(text: string, units: ReadonlyArray<readonly [string, number]>): number | null {
  const match = QUANTITY.exec(text);
  const factor = units.find(([unit]) => unit === match?.[3])?.[1];
  if (match === null || factor === undefined) return null;
  const [, whole, fraction = ""] = match;
  // The fraction in thousandths, so that 1.1s is 1100 and not 1100.0000000000002.
  return safeInteger(Number(whole) * factor + Number(fraction.padEnd(3, "0")) * factor / 1000);
}

/** The shortest exact text of `value` in `units`. */
function inUnits(value: number, units: ReadonlyArray<readonly [string, number]>): string {
  const fitting = units.find(([, factor]) => value % factor === 0);
  return fitting === undefined ? String(value) : `${value / fitting[1]}${fitting[0]}`;
}

/**
 * Milliseconds of a duration: a number with `ms`, `s`, `m`, `h` or `d`, or `0` alone. `null` where `text` is none, or is not
 * a whole number of milliseconds.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseDurationMs } from "./units.ts";
 *
 * assert.equal(parseDurationMs("30s"), 30_000);
 * assert.equal(parseDurationMs("1.5h"), 5_400_000);
 * assert.equal(parseDurationMs("0"), 0);
 * assert.equal(parseDurationMs("30"), null);
 * ```
 */
export function parseDurationMs(text: string): number | null {
  return text === "0" ? 0 : quantity(text, DURATION_UNITS);
}

/**
 * The shortest exact text of a duration in milliseconds.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { formatDurationMs } from "./units.ts";
 *
 * assert.equal(formatDurationMs(30_000), "30s");
 * assert.equal(formatDurationMs(5_400_000), "90m");
 * assert.equal(formatDurationMs(0), "0");
 * ```
 */
export function formatDurationMs(durationMs: number): string {
  return durationMs === 0 ? "0" : inUnits(durationMs, DURATION_UNITS);
}

/**
 * Bytes of a size: a number with `B`, `KB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024),
 * or a plain number of bytes. `null` where `text` is none, or is not a whole number of bytes.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseSizeBytes } from "./units.ts";
 *
 * assert.equal(parseSizeBytes("512KiB"), 524_288);
 * assert.equal(parseSizeBytes("10MB"), 10_000_000);
 * assert.equal(parseSizeBytes("4096"), 4096);
 * assert.equal(parseSizeBytes("10 gigs"), null);
 * ```
 */
export function parseSizeBytes(text: string): number | null {
  return /^\d{1,16}$/.test(text) ? safeInteger(Number(text)) : quantity(text, SIZE_UNITS);
}

/**
 * The shortest exact text of a size in bytes.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { formatSizeBytes } from "./units.ts";
 *
 * assert.equal(formatSizeBytes(10 * 1024 ** 3), "10GiB");
 * assert.equal(formatSizeBytes(10_000_000), "10MB");
 * assert.equal(formatSizeBytes(0), "0");
 * ```
 */
export function formatSizeBytes(sizeBytes: number): string {
  return sizeBytes === 0 ? "0" : inUnits(sizeBytes, SIZE_UNITS);
}
