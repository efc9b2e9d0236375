import assert from "node:assert/strict";
import { type Outcome, OutcomeRecorder } from "../../lib/pool/outcome.ts";
import { seededRandom } from "../seeded_random.ts";

function record(recorder: OutcomeRecorder, outcome: Outcome, latencyMs = 10, retryAfterMs = 0): void {
  recorder.record({ outcome, latencyMs, retryAfterMs });
}

Deno.test("OutcomeRecorder counts each outcome and begins anew after a drain", () => {
  const recorder = new OutcomeRecorder();
  record(recorder, "ok", 5);
  record(recorder, "limited", 1, 2_000);
  record(recorder, "failed");
  record(recorder, "unreachable");
  record(recorder, "cancelled");
  const batch = recorder.drain("a");
  assert.deepEqual(batch, {
    id: "a",
    counts: { ok: 1, limited: 1, failed: 1, unreachable: 1, cancelled: 1 },
    latenciesMs: [5],
    retryAfterMs: 2_000,
    trailingFailures: 2,
  });
  assert.equal(recorder.drain("a"), null);
});

Deno.test("OutcomeRecorder tells failures since the last good answer", () => {
  const recorder = new OutcomeRecorder();
  record(recorder, "failed");
  record(recorder, "ok");
  record(recorder, "unreachable");
  record(recorder, "limited");
  record(recorder, "unreachable");
  assert.equal(recorder.drain("a")!.trailingFailures, 2);
});

Deno.test("OutcomeRecorder keeps 16 response times of any number, each as likely", () => {
  const random = seededRandom(5);
  const halves = [0, 0];
  for (let round = 0; round < 200; round++) {
    const recorder = new OutcomeRecorder(random);
    for (let i = 0; i < 400; i++) record(recorder, "ok", i);
    const { latenciesMs, counts } = recorder.drain("a")!;
    assert.equal(latenciesMs.length, 16);
    assert.equal(counts.ok, 400);
    for (const latencyMs of latenciesMs) halves[latencyMs < 200 ? 0 : 1]!++;
  }
  assert.ok(Math.abs(halves[0]! - 1_600) < 140, `${halves}`);
});

Deno.test("OutcomeRecorder's batch survives structured cloning", () => {
  const recorder = new OutcomeRecorder();
  record(recorder, "ok", 1.5);
  const batch = recorder.drain("a");
  assert.deepEqual(structuredClone(batch), batch);
});
