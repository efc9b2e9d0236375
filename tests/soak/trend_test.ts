import assert from "node:assert/strict";
import { isFlat, trendOf } from "./trend.ts";

const points = (valueOf: (seconds: number) => number) =>
  Array.from({ length: 61 }, (_, index) => ({ seconds: index * 10, value: valueOf(index * 10) }));

Deno.test("trendOf() fits a line, whatever swings around it", () => {
  const growing = trendOf(points((seconds) => 100 + seconds / 10 + (seconds % 20 === 0 ? 5 : -5)));
  assert.ok(Math.abs(growing.change - 60) < 1 && Math.abs(growing.perHour - 360) < 6, JSON.stringify(growing));
  assert.deepEqual(trendOf(points(() => 7)), { mean: 7, least: 7, most: 7, change: 0, perHour: 0 });
  assert.throws(() => trendOf(points(() => 7).slice(0, 1)), RangeError);
});

Deno.test("isFlat() lets a figure fall, and grow by a share or a little", () => {
  const bounds = { share: 0.1, least: 3 };
  assert.equal(isFlat(trendOf(points((seconds) => 100 + seconds / 100)), bounds), true);
  assert.equal(isFlat(trendOf(points((seconds) => 100 + seconds / 20)), bounds), false);
  assert.equal(isFlat(trendOf(points((seconds) => 100 - seconds / 10)), bounds), true);
  assert.equal(isFlat(trendOf(points((seconds) => 1 + seconds / 300)), bounds), true);
});
