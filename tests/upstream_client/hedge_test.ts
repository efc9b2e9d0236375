import assert from "node:assert/strict";
import { HedgeBudget, HedgePolicy, LatencyP95 } from "../../lib/upstream_client/hedge.ts";
import { seededRandom } from "../seeded_random.ts";

Deno.test("LatencyP95 knows nothing before 32 response times, then the time that 19 of 20 keep", () => {
  const p95 = new LatencyP95();
  for (let i = 0; i < 31; i++) p95.record(10);
  assert.equal(p95.p95Ms, null);
  const random = seededRandom(4);
  for (let i = 0; i < 1_000; i++) p95.record(random() * 100);
  assert.ok(p95.p95Ms! > 90 && p95.p95Ms! < 99, `${p95.p95Ms}`);
});

Deno.test("LatencyP95 is not moved by stalls of 4 in 100, and follows a lasting change", () => {
  const p95 = new LatencyP95();
  for (let i = 0; i < 1_024; i++) p95.record(i % 25 === 0 ? 5_000 : 20);
  assert.equal(p95.p95Ms, 20);
  for (let i = 0; i < 256; i++) p95.record(300);
  assert.equal(p95.p95Ms, 300);
});

Deno.test("HedgeBudget keeps hedges under the share of requests from the first on", () => {
  const budget = new HedgeBudget(0.05);
  let hedges = 0;
  for (let request = 1; request <= 10_000; request++) {
    budget.requestBegan();
    if (budget.tryTake()) hedges++;
    assert.ok(hedges <= request * 0.05 + 1e-6, `${hedges} of ${request}`);
  }
  assert.ok(hedges > 495, `${hedges}`);
});

Deno.test("HedgeBudget saves no more than ten hedges for a bad moment", () => {
  const budget = new HedgeBudget(0.05);
  for (let i = 0; i < 10_000; i++) budget.requestBegan();
  let hedges = 0;
  while (budget.tryTake()) hedges++;
  assert.equal(hedges, 10);
});

Deno.test("HedgePolicy waits a fixed time or the 95th percentile, five milliseconds at least", () => {
  assert.equal(new HedgePolicy({ after: { delayMs: 300 }, maxExtra: 0.05 }).begin(), 300);
  const policy = new HedgePolicy({ after: "p95", maxExtra: 0.05 });
  assert.equal(policy.begin(), null);
  for (let i = 0; i < 64; i++) policy.record(0.5);
  assert.equal(policy.begin(), 5);
  for (let i = 0; i < 256; i++) policy.record(80);
  assert.equal(policy.begin(), 80);
  assert.equal(policy.take(), false);
});
