import assert from "node:assert/strict";
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from "../../lib/config/units.ts";
import { integer, seededRandom } from "../seeded_random.ts";

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
    const value = integer(random, 2 ** integer(random, 53)) * [1, 1000, 1024, 60_000, 86_400_000][integer(random, 5)]!;
    if (!Number.isSafeInteger(value)) continue;
    assert.equal(parseDurationMs(formatDurationMs(value)), value);
    assert.equal(parseSizeBytes(formatSizeBytes(value)), value);
  }
});
