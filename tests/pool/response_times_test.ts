import assert from "node:assert/strict";
import { PeakEwma, WaitingRequests } from "../../lib/pool/response_times.ts";

const EXPECTED_MS = 10;

/** After a second in which one request of 10 ms was answered every 20 ms. */
function busy(): WaitingRequests {
  const waiting = new WaitingRequests();
  for (let nowMs = 0; nowMs < 1_000; nowMs += 20) waiting.add(nowMs).settle(nowMs + 10);
  return waiting;
}

Deno.test("WaitingRequests changes nothing while requests are answered in time", () => {
  const waiting = busy();
  waiting.add(1_000);
  assert.equal(waiting.expectedMs(1_060, EXPECTED_MS), EXPECTED_MS);
});

Deno.test("WaitingRequests says within half a second that an upstream stalls, and more so as it lasts", () => {
  const waiting = busy();
  let last = EXPECTED_MS;
  for (let nowMs = 1_000; nowMs <= 3_000; nowMs += 20) {
    waiting.add(nowMs);
    const now = waiting.expectedMs(nowMs, EXPECTED_MS);
    assert.ok(now >= last * 0.99, `${nowMs}: ${last} to ${now}`);
    if (nowMs === 1_500) assert.ok(now > 150, `${now}`);
    last = now;
  }
  assert.ok(last > 900, `${last}`);
});

Deno.test("WaitingRequests takes one late request among many answers for what it is", () => {
  const waiting = busy();
  waiting.add(0);
  assert.ok(waiting.expectedMs(1_000, EXPECTED_MS) < EXPECTED_MS * 1.6);
  assert.ok(new WaitingRequests().expectedMs(1_000, EXPECTED_MS) === EXPECTED_MS);
});

Deno.test("WaitingRequests bounds what one late request says where there are no answers at all", () => {
  const waiting = new WaitingRequests();
  waiting.add(1_000);
  assert.equal(waiting.expectedMs(60_000, EXPECTED_MS), 8 * (EXPECTED_MS + 1));
});

Deno.test("WaitingRequests is as before when the late ones are settled, and settling twice changes nothing", () => {
  const waiting = new WaitingRequests();
  const begun = Array.from({ length: 5_000 }, (_, i) => waiting.add(i));
  assert.ok(waiting.expectedMs(10_000, EXPECTED_MS) > 1_000);
  for (const one of begun) one.settle(10_000);
  begun[0]!.settle(10_000);
  assert.equal(waiting.size, 0);
  assert.equal(waiting.expectedMs(10_000, EXPECTED_MS), EXPECTED_MS);
});

const ok = (latencyMs: number) => ({ outcome: "ok", latencyMs, retryAfterMs: 0 }) as const;

Deno.test("PeakEwma answers what others see until it has seen something", () => {
  assert.equal(new PeakEwma().costMs(5, 42), 42);
});

Deno.test("PeakEwma jumps to a worse answer and comes down over time", () => {
  const ewma = new PeakEwma();
  ewma.record(ok(10), 1_000);
  ewma.record(ok(500), 1_000);
  assert.equal(ewma.costMs(1_000, 0), 500);
  ewma.record(ok(10), 2_000);
  const after = ewma.costMs(2_000, 0);
  assert.ok(after < 500 && after > 400, `${after}`);
  assert.ok(ewma.costMs(60_000, 20) < 25);
});

Deno.test("PeakEwma takes a fast failure for a slow answer, slower still by Retry-After", () => {
  const failed = new PeakEwma();
  failed.record({ outcome: "failed", latencyMs: 1, retryAfterMs: 0 }, 1);
  const limited = new PeakEwma();
  limited.record({ outcome: "limited", latencyMs: 1, retryAfterMs: 30_000 }, 1);
  assert.equal(failed.costMs(1, 0), 5_000);
  assert.equal(limited.costMs(1, 0), 35_000);
});

Deno.test("PeakEwma takes no notice of a cancelled try", () => {
  const ewma = new PeakEwma();
  ewma.record({ outcome: "cancelled", latencyMs: 9_999, retryAfterMs: 0 }, 1);
  assert.equal(ewma.costMs(1, 3), 3);
});
