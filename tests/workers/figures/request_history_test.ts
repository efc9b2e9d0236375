import assert from "node:assert/strict";
import {
  countRequest,
  newListenerCounts,
  newWorkerCounts,
  type WorkerCounts,
} from "../../../lib/metrics/gateway_metrics.ts";
import { RequestHistory } from "../../../lib/workers/figures/request_history.ts";

function counts(...listeners: string[]): WorkerCounts {
  const all = newWorkerCounts();
  for (const name of listeners) all.listeners[name] = newListenerCounts();
  return all;
}

Deno.test("RequestHistory has a sample for every five seconds: what was counted in them, over all listeners", () => {
  const history = new RequestHistory();
  const now = counts("a", "b");
  countRequest(now.listeners["a"]!, { status: 200, bytes: 7, durationMs: 3, cache: "miss" });
  history.record(now, 1_000);
  countRequest(now.listeners["a"]!, { status: 200, bytes: 10, durationMs: 0.4, cache: "hit_memory" });
  countRequest(now.listeners["b"]!, { status: 502, bytes: 20, durationMs: 800, cache: "none" });
  for (let ms = 2_000; ms <= 6_000; ms += 1_000) history.record(now, ms);
  const [sample, ...others] = history.samples();
  assert.deepEqual(others, []);
  assert.equal(sample!.at, new Date(6_000).toISOString());
  assert.deepEqual(sample!.by, {
    memory: 1,
    disk: 0,
    shared: 0,
    stale: 0,
    revalidated: 0,
    collapsed: 0,
    miss: 0,
    bypass: 0,
  });
  assert.deepEqual([sample!.requests, sample!.errors, sample!.bytes], [2, 1, 30]);
  assert.ok(sample!.p50_ms! <= 0.5 && sample!.p99_ms! > 500 && sample!.p99_ms! <= 1000, JSON.stringify(sample));
});

Deno.test("RequestHistory keeps fifteen minutes, answers what is newer than a moment, and never counts backwards", () => {
  const history = new RequestHistory();
  const many = counts("a");
  countRequest(many.listeners["a"]!, { status: 200, bytes: 1, durationMs: 1, cache: "miss" });
  for (let ms = 0; ms <= 3_600_000; ms += 5_000) history.record(ms === 3_600_000 ? counts("a") : many, ms);
  assert.equal(history.samples().length, 180);
  assert.equal(history.samples(3_590_000).length, 2);
  const last = history.samples().at(-1)!;
  assert.deepEqual([last.requests, last.by.miss, last.p50_ms], [0, 0, null]);
});
