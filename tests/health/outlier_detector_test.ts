import assert from "node:assert/strict";
import {
  FailureWindow,
  OUTLIER_DEFAULTS,
  OutlierDetector,
  type OutlierOptions,
} from "../../lib/health/outlier_detector.ts";
import { batchOf } from "./outcome_batches.ts";

const T = 1_000_000;

function detector(over: Partial<OutlierOptions> = {}, mayEject = () => true): OutlierDetector {
  const options = { ...OUTLIER_DEFAULTS, ejectionMs: 10_000, maxEjectionMs: 60_000, jitter: 0, ...over };
  return new OutlierDetector(options, { random: () => 0.5, mayEject });
}

function eject(target: OutlierDetector, nowMs: number): void {
  target.record(batchOf("a", { unreachable: 5 }), nowMs);
}

/** Lets the present ejection run out; how long that took. */
function serve(target: OutlierDetector, fromMs: number): number {
  const untilMs = target.nextEventMs();
  target.tick(untilMs - 1);
  assert.equal(target.state("a"), "open");
  target.tick(untilMs);
  assert.equal(target.state("a"), "half_open");
  return untilMs - fromMs;
}

Deno.test("OutlierDetector ejects after so many failures in a row, also over several batches", () => {
  const target = detector();
  target.record(batchOf("a", { ok: 10, failed: 2 }), T);
  target.record(batchOf("a", { unreachable: 2 }), T + 50);
  assert.equal(target.state("a"), "closed");
  target.record(batchOf("a", { failed: 1 }), T + 100);
  assert.equal(target.state("a"), "open");
  assert.equal(target.reason("a"), "5 failures in a row");
});

Deno.test("OutlierDetector starts counting again with a good answer", () => {
  const target = detector();
  for (let i = 0; i < 10; i++) {
    target.record(batchOf("a", { unreachable: 4 }), T + i);
    target.record(batchOf("a", { ok: 20 }), T + i);
  }
  assert.equal(target.state("a"), "closed");
});

Deno.test("OutlierDetector ejects on the failure ratio, but only with enough volume", () => {
  const target = detector({ consecutiveFailures: 0 });
  target.record(batchOf("a", { ok: 9, failed: 10 }), T);
  assert.equal(target.state("a"), "closed");
  target.record(batchOf("a", { failed: 1 }), T + 1_000);
  assert.equal(target.state("a"), "open");
  assert.equal(target.reason("a"), "55 % failures in 10 s");
});

Deno.test("OutlierDetector does not count what was limited, nor a storm of 4xx answers", () => {
  const target = detector();
  for (let i = 0; i < 100; i++) target.record(batchOf("a", { ok: 50, limited: 50 }), T + i);
  target.record(batchOf("b", { limited: 500 }), T);
  assert.equal(target.state("a"), "closed");
  assert.equal(target.state("b"), "closed");
});

Deno.test("OutlierDetector ejects for twice as long each time, up to the limit", () => {
  const target = detector();
  eject(target, T);
  let nowMs = T;
  const lengths: number[] = [];
  for (let i = 0; i < 5; i++) {
    const length = serve(target, nowMs);
    lengths.push(length);
    nowMs += length;
    target.record(batchOf("a", { failed: 1 }), nowMs);
  }
  assert.deepEqual(lengths, [10_000, 20_000, 40_000, 60_000, 60_000]);
});

Deno.test("OutlierDetector makes ejections shorter again after good behaviour", () => {
  const target = detector();
  eject(target, T);
  let nowMs = T + serve(target, T);
  target.record(batchOf("a", { failed: 1 }), nowMs);
  nowMs += serve(target, nowMs);
  target.record(batchOf("a", { ok: 3 }), nowMs);
  assert.equal(target.state("a"), "closed");
  nowMs += 20_000;
  target.tick(nowMs);
  eject(target, nowMs);
  assert.equal(serve(target, nowMs), 20_000);
});

Deno.test("OutlierDetector adds jitter to an ejection", () => {
  const target = detector({ jitter: 0.2 });
  eject(target, T);
  assert.equal(target.nextEventMs() - T, 11_000);
});

Deno.test("OutlierDetector never closes a circuit by time alone: it takes good answers or checks", () => {
  const target = detector();
  eject(target, T);
  serve(target, T);
  target.tick(T + 10_000_000);
  assert.equal(target.state("a"), "half_open");
  target.record(batchOf("a", { ok: 1 }), T + 10_000_000);
  target.checkPassed("a", T + 10_000_000);
  assert.equal(target.state("a"), "half_open");
  target.checkPassed("a", T + 10_000_000);
  assert.equal(target.state("a"), "closed");
  assert.equal(target.reason("a"), "");
});

Deno.test("OutlierDetector ends an ejection early, half-open, when checks found a recovery", () => {
  const target = detector();
  eject(target, T);
  target.recovered("a");
  assert.equal(target.state("a"), "half_open");
});

Deno.test("OutlierDetector does not eject when too many are out", () => {
  let allowed = false;
  const target = detector({}, () => allowed);
  eject(target, T);
  assert.equal(target.state("a"), "closed");
  allowed = true;
  target.record(batchOf("a", { failed: 1 }), T + 1);
  assert.equal(target.state("a"), "open");
});

Deno.test("OutlierDetector.configure() keeps circuits and begins windows of another length anew", () => {
  const target = detector({ consecutiveFailures: 0, minVolume: 10 });
  target.record(batchOf("a", { ok: 5, failed: 4 }), T);
  target.configure({ ...OUTLIER_DEFAULTS, consecutiveFailures: 0, windowMs: 5_000, minVolume: 10 });
  target.record(batchOf("a", { failed: 9 }), T);
  assert.equal(target.state("a"), "closed");
  target.record(batchOf("a", { failed: 1 }), T);
  assert.equal(target.state("a"), "open");
  target.remove("a");
  assert.equal(target.state("a"), "closed");
  assert.equal(target.nextEventMs(), Infinity);
});

Deno.test("OutlierDetector.restore() probes what was ejected before", () => {
  const target = detector();
  target.restore("a", "5 failures in a row", T);
  assert.equal(target.state("a"), "half_open");
  target.record(batchOf("a", { failed: 1 }), T);
  assert.equal(target.nextEventMs() - T, 20_000);
});

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
