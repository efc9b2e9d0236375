import assert from "node:assert/strict";
import { FailureWindow } from "../../lib/health/failure_window.ts";

Deno.test("FailureWindow has the ratio and the volume of what it was told", () => {
  const window = new FailureWindow(10_000);
  assert.equal(window.failureRatio(0), 0);
  window.add(3, 1, 50_000);
  window.add(0, 4, 51_000);
  assert.equal(window.volume(51_000), 8);
  assert.equal(window.failureRatio(51_000), 5 / 8);
});

Deno.test("FailureWindow forgets part by part", () => {
  const window = new FailureWindow(10_000);
  for (let second = 0; second < 10; second++) window.add(1, 0, 100_000 + second * 1_000);
  assert.equal(window.volume(109_000), 10);
  assert.equal(window.volume(112_000), 7);
  assert.equal(window.volume(119_000), 0);
});

Deno.test("FailureWindow is empty after a long silence, and a clock that goes back harms nothing", () => {
  const window = new FailureWindow(10_000);
  window.add(5, 5, 100_000);
  window.add(1, 0, 95_000);
  assert.equal(window.volume(100_000), 11);
  assert.equal(window.volume(10_000_000), 0);
  window.add(5, 5, 10_000_000);
  assert.equal(window.volume(5_000_000), 0);
});

Deno.test("FailureWindow.clear() forgets good and bad", () => {
  const window = new FailureWindow(10_000);
  window.add(3, 1, 50_000);
  window.clear();
  assert.deepEqual([window.volume(50_000), window.failureRatio(50_000)], [0, 0]);
});
