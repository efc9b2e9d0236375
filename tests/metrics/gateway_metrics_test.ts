import assert from "node:assert/strict";
import { FORWARD_REASONS } from "../../lib/forward_reason.ts";
import {
  addCounts,
  CACHE_RESULT_INDEX,
  CACHE_RESULTS,
  countClient,
  type CountedRequest,
  countRequest,
  countTry,
  credentialCounts,
  durationBuckets,
  newListenerCounts,
  newWorkerCounts,
  upstreamCounts,
} from "../../lib/metrics/gateway_metrics.ts";
import { DURATION_BUCKETS_MS, quantileMs } from "../../lib/metrics/histogram.ts";
import { seededRandom } from "../seeded_random.ts";

Deno.test("countRequest() counts a request once in each of its rows", () => {
  const counts = newListenerCounts();
  countRequest(counts, { status: 200, bytes: 100, durationMs: 0.4, cache: "hit_memory" });
  countRequest(counts, { status: 304, bytes: 0, durationMs: 1, cache: "revalidated" });
  countRequest(counts, { status: 502, bytes: 50, durationMs: 60_000, cache: "none" });
  countRequest(counts, { status: 0, bytes: 7, durationMs: 3, cache: "miss" });
  assert.equal(counts.requests, 4);
  assert.deepEqual(counts.byClass, [1, 0, 1, 1, 0, 1]);
  assert.equal(counts.responseBytes, 157);
  assert.deepEqual(CACHE_RESULTS.filter((name) => counts.byCache[CACHE_RESULT_INDEX[name]] === 1), [
    "hit_memory",
    "revalidated",
    "miss",
    "none",
  ]);
  const sums = Object.fromEntries(CACHE_RESULTS.map((name, index) => [name, counts.durationSumsMs[index]]));
  assert.deepEqual(
    [sums["hit_memory"], sums["revalidated"], sums["miss"], sums["none"], sums["stale"]],
    [0.4, 1, 3, 60_000, 0],
  );
});

Deno.test("countRequest() puts a duration into the first bucket that is not below it", () => {
  const bounds = [...DURATION_BUCKETS_MS];
  const cases = bounds.flatMap((bound, index) => [[bound, index], [bound + 0.001, index + 1]] as const);
  for (const [durationMs, bucket] of [[0, 0] as const, ...cases, [1e9, bounds.length] as const]) {
    const counts = newListenerCounts();
    countRequest(counts, { status: 200, bytes: 0, durationMs, cache: "miss" });
    const from = CACHE_RESULT_INDEX["miss"] * (bounds.length + 1);
    assert.equal(counts.durations.indexOf(1), from + bucket, `${durationMs} ms`);
    assert.equal(durationBuckets(counts).indexOf(1), bucket, `${durationMs} ms`);
  }
});

Deno.test("countRequest() counts a status beyond all classes as 5xx, as RFC 9110 §15 reads it", () => {
  const counts = newListenerCounts();
  countRequest(counts, { status: 799, bytes: 0, durationMs: 0, cache: "miss" });
  assert.deepEqual(counts.byClass, [0, 0, 0, 0, 0, 1]);
});

Deno.test("countTry() counts outcomes by their names, and times where they tell something of the upstream", () => {
  const counts = upstreamCounts(newWorkerCounts(), "films", "http://one.example");
  countTry(counts, { outcome: "ok", firstByteMs: 10, durationMs: 20 });
  countTry(counts, { outcome: "timeout", firstByteMs: null, durationMs: 500 });
  countTry(counts, { outcome: "cancelled", firstByteMs: 5, durationMs: null });
  assert.deepEqual({ ...counts.outcomes }, { ok: 1, timeout: 1, cancelled: 1 });
  assert.deepEqual([counts.firstByteSumMs, counts.durationSumMs], [15, 520]);
  const met = (buckets: readonly number[]) => buckets.flatMap((count, at) => count === 0 ? [] : [[at, count]]);
  const bucket = (boundMs: number) => DURATION_BUCKETS_MS.findIndex((bound) => bound === boundMs);
  assert.deepEqual(met(counts.firstByte), [[bucket(5), 1], [bucket(10), 1]]);
  assert.deepEqual(met(counts.durations), [[bucket(25), 1], [bucket(500), 1]]);
});

Deno.test("quantileMs() of what countRequest() counted is in the bucket of the true quantile", () => {
  const random = seededRandom(7);
  const counts = newListenerCounts();
  const all = Array.from({ length: 1_000 }, () => Math.exp(random() * 9 - 1));
  for (const durationMs of all) countRequest(counts, { status: 200, bytes: 0, durationMs, cache: "miss" });
  const sorted = all.toSorted((one, other) => one - other);
  for (const quantile of [0.01, 0.5, 0.9, 0.99, 1]) {
    const trueMs = sorted[Math.ceil(quantile * 1_000) - 1]!;
    const upper = DURATION_BUCKETS_MS.findIndex((bound) => trueMs <= bound);
    const estimateMs = quantileMs(DURATION_BUCKETS_MS, durationBuckets(counts), quantile)!;
    const lowest = DURATION_BUCKETS_MS[upper - 1] ?? 0;
    assert.ok(estimateMs <= DURATION_BUCKETS_MS[upper]! && estimateMs >= lowest, `${quantile}: ${estimateMs}`);
  }
  assert.equal(quantileMs([1, 2], [0, 0, 5], 0.5), 2);
});

Deno.test("addCounts() keeps the newest exemplar of each bucket", () => {
  const workers = [3, 9, 6].map((atMs) => {
    const worker = newWorkerCounts();
    const counts = worker.listeners["api"] = newListenerCounts();
    const trace = { id: `trace-${atMs}`, atMs };
    countRequest(counts, { status: 200, bytes: 0, durationMs: 1, cache: "miss", trace });
    return worker;
  });
  const sum = newWorkerCounts();
  for (const worker of workers) addCounts(sum, worker);
  assert.deepEqual(Object.values(sum.listeners["api"]!.exemplars), [{ traceId: "trace-9", valueMs: 1, atMs: 9 }]);
});

Deno.test("addCounts() gives the same sums in any order of workers, and changes none of them", () => {
  const random = seededRandom(4);
  const workers = Array.from({ length: 6 }, () => {
    const worker = newWorkerCounts();
    for (let request = 0; request < 200; request++) {
      const listener = worker.listeners[`l${Math.floor(random() * 3)}`] ??= newListenerCounts();
      const cache = CACHE_RESULTS[Math.floor(random() * CACHE_RESULTS.length)]!;
      const status = 100 * Math.floor(random() * 6);
      countRequest(listener, {
        status,
        bytes: Math.floor(random() * 1e6),
        durationMs: Math.floor(random() * 1e5),
        cache,
      });
      const upstream = upstreamCounts(worker, `p${Math.floor(random() * 2)}`, "http://one.example");
      countTry(upstream, { outcome: random() < 0.5 ? "ok" : "timeout", firstByteMs: 3, durationMs: 4 });
    }
    return worker;
  });
  const before = structuredClone(workers);
  const sumOf = (order: typeof workers) => {
    const sum = newWorkerCounts();
    for (const worker of order) addCounts(sum, worker);
    return sum;
  };
  const sum = sumOf(workers);
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
  const sorted = (value: unknown): unknown =>
    typeof value !== "object" || value === null || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).sort().map(([name, inner]) => [name, sorted(inner)]));
  assert.deepEqual(sorted(plain(sumOf(workers.toReversed()))), sorted(plain(sum)));
  assert.deepEqual(structuredClone(workers), before);
  assert.equal(Object.values(sum.listeners).reduce((total, { requests }) => total + requests, 0), 1_200);
  for (const { requests, byClass, byCache, durations } of Object.values(sum.listeners)) {
    for (const row of [byClass, byCache, durations]) assert.equal(row.reduce((a, b) => a + b), requests);
  }
});

Deno.test("addCounts() adds what pools and limits have counted, each to its own", () => {
  const worker = newWorkerCounts();
  const pool = {
    ...{ retries: 1, retriesRefused: 2, hedges: 3, hedgesWon: 4, queued: 5, turnedAway: 6 },
    ...{ credentialQueued: 7, credentialTurnedAway: 8 },
  };
  Object.assign(credentialCounts(worker, "p", 3), { requests: 1, limited: 2, refused: 3 });
  worker.pools["p"] = pool;
  worker.listeners["l"] = { ...newListenerCounts(), queued: 7, turnedAway: 8, rateLimited: 9 };
  const sum = newWorkerCounts();
  for (let time = 0; time < 2; time++) addCounts(sum, worker);
  assert.deepEqual(sum.pools["p"], {
    retries: 2,
    retriesRefused: 4,
    hedges: 6,
    hedgesWon: 8,
    queued: 10,
    turnedAway: 12,
    credentialQueued: 14,
    credentialTurnedAway: 16,
  });
  assert.deepEqual({ ...sum.credentials["p"] }, { 3: { requests: 2, limited: 4, refused: 6 } });
  const { queued, turnedAway, rateLimited } = sum.listeners["l"]!;
  assert.deepEqual([queued, turnedAway, rateLimited], [14, 16, 18]);
  assert.equal(pool.retries, 1);
});

Deno.test("addCounts() counts what is called like something that objects inherit", () => {
  const inherited = ["constructor", "toString", "hasOwnProperty", "valueOf"];
  const worker = newWorkerCounts();
  for (const name of inherited) {
    countRequest(worker.listeners[name] ??= newListenerCounts(), {
      status: 200,
      bytes: 1,
      durationMs: 1,
      cache: "miss",
    });
    countTry(upstreamCounts(worker, name, "http://one.example"), { outcome: "ok", firstByteMs: 2, durationMs: 2 });
  }
  // As it comes from a worker, by a message.
  const sum = newWorkerCounts();
  for (let time = 0; time < 2; time++) addCounts(sum, structuredClone(worker));
  for (const name of inherited) {
    assert.equal(sum.listeners[name]?.requests, 2, name);
    assert.equal(sum.upstreams[name]?.["http://one.example"]?.outcomes["ok"], 2, name);
  }
  assert.equal("requests" in Object, false);
});

Deno.test("countRequest() counts why an upstream was asked, where one was", () => {
  const counts = newListenerCounts();
  const request = { status: 200, bytes: 1, durationMs: 1, cache: "miss" } as const;
  countRequest(counts, { ...request, fwd: "uri-miss" });
  countRequest(counts, { ...request, fwd: "vary-miss" });
  countRequest(counts, { ...request, cache: "hit_memory", fwd: null });
  countRequest(counts, request);
  const counted = Object.fromEntries(FORWARD_REASONS.map((reason, index) => [reason, counts.byReason[index]]));
  assert.deepEqual(counted, {
    ...Object.fromEntries(FORWARD_REASONS.map((reason) => [reason, 0])),
    "uri-miss": 1,
    "vary-miss": 1,
  });
});

const ONE_HIT: CountedRequest = { status: 200, bytes: 10, durationMs: 1, cache: "hit_memory" };

Deno.test("countClient() counts by name, and addCounts() adds what all workers counted of access", () => {
  const worker = newWorkerCounts();
  const listener = worker.listeners["l"] = { ...newListenerCounts(), unauthorized: 2, authBlocked: 3 };
  for (const name of ["tv", "constructor", "tv"]) countClient(listener, name, ONE_HIT);
  countClient(listener, "tv", { ...ONE_HIT, cache: "miss" });
  const sum = newWorkerCounts();
  for (let time = 0; time < 2; time++) addCounts(sum, structuredClone(worker));
  const { unauthorized, authBlocked, clients, clientHits, clientBytes } = sum.listeners["l"]!;
  assert.deepEqual([unauthorized, authBlocked, { ...clients }], [4, 6, { tv: 6, constructor: 2 }]);
  assert.deepEqual([{ ...clientHits }, { ...clientBytes }], [{ tv: 4, constructor: 2 }, { tv: 60, constructor: 20 }]);
});
