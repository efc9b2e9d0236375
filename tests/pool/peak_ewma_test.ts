import assert from "node:assert/strict";
import { PeakEwma } from "../../lib/pool/peak_ewma.ts";

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
