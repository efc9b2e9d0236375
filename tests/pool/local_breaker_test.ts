import assert from "node:assert/strict";
import { LocalBreaker } from "../../lib/pool/local_breaker.ts";

const OPTIONS = { maxFailures: 3, openMs: 1_000, maxOpenMs: 4_000 };

function opened(): LocalBreaker {
  const breaker = new LocalBreaker(OPTIONS);
  for (let i = 0; i < 3; i++) breaker.record("unreachable", 0);
  return breaker;
}

Deno.test("LocalBreaker opens with the last of so many failures in a row, not before", () => {
  const breaker = new LocalBreaker(OPTIONS);
  assert.equal(breaker.record("failed", 0), false);
  assert.equal(breaker.record("unreachable", 0), false);
  assert.equal(breaker.state(0), "closed");
  assert.equal(breaker.record("failed", 0), true);
  assert.equal(breaker.state(0), "open");
  assert.equal(breaker.openUntilMs, 1_000);
});

Deno.test("LocalBreaker starts counting again after a good answer", () => {
  const breaker = new LocalBreaker(OPTIONS);
  for (const outcome of ["failed", "failed", "ok", "failed", "failed"] as const) breaker.record(outcome, 0);
  assert.equal(breaker.state(0), "closed");
});

Deno.test("LocalBreaker takes no notice of limits and cancellations", () => {
  const breaker = new LocalBreaker(OPTIONS);
  for (let i = 0; i < 20; i++) breaker.record(i % 2 === 0 ? "limited" : "cancelled", 0);
  assert.equal(breaker.state(0), "closed");
});

Deno.test("LocalBreaker is half-open when its time is up and closes with a good answer", () => {
  const breaker = opened();
  assert.equal(breaker.state(999), "open");
  assert.equal(breaker.state(1_000), "half_open");
  assert.equal(breaker.record("ok", 1_000), true);
  assert.equal(breaker.state(1_000), "closed");
});

Deno.test("LocalBreaker opens twice as long after a failed probe, up to its limit", () => {
  const breaker = opened();
  const lengths: number[] = [];
  for (let i = 0; i < 4; i++) {
    const nowMs = breaker.openUntilMs;
    assert.equal(breaker.record("failed", nowMs), true);
    lengths.push(breaker.openUntilMs - nowMs);
  }
  assert.deepEqual(lengths, [2_000, 4_000, 4_000, 4_000]);
});

Deno.test("LocalBreaker is not prolonged by failures of requests from before it opened", () => {
  const breaker = opened();
  assert.equal(breaker.record("unreachable", 500), false);
  assert.equal(breaker.openUntilMs, 1_000);
});

Deno.test("LocalBreaker.useOptionsOf() takes over another's options and keeps what was counted", () => {
  const breaker = new LocalBreaker(OPTIONS);
  breaker.record("failed", 0);
  breaker.useOptionsOf(new LocalBreaker({ maxFailures: 2, openMs: 50, maxOpenMs: 50 }));
  assert.equal(breaker.record("failed", 0), true);
  assert.equal(breaker.openUntilMs, 50);
});

Deno.test("LocalBreaker.reset() forgets its openings and says whether it was open", () => {
  const breaker = opened();
  assert.equal(breaker.reset(), true);
  assert.equal(breaker.reset(), false);
  for (let i = 0; i < 3; i++) breaker.record("failed", 5_000);
  assert.equal(breaker.openUntilMs, 6_000);
});

Deno.test("LocalBreaker is half-open when the clock was set back, not open for an hour", () => {
  const breaker = new LocalBreaker(OPTIONS);
  for (let i = 0; i < 3; i++) breaker.record("failed", 10_000_000);
  assert.equal(breaker.state(10_000_000), "open");
  assert.equal(breaker.state(1_000_000), "half_open");
});
