import assert from "node:assert/strict";
import { readText } from "../house/source_tree.ts";
import { type Metric, prometheusText } from "../../lib/metrics/exposition.ts";
import {
  CACHE_RESULTS,
  countClient,
  countRequest,
  countTry,
  credentialCounts,
  DURATION_BUCKETS_MS,
  newListenerCounts,
  newWorkerCounts,
  upstreamCounts,
  type WorkerCounts,
} from "../../lib/metrics/gateway_metrics.ts";
import { type ReadExposition, readExposition } from "./exposition_text.ts";

function counted(): WorkerCounts {
  const counts = newWorkerCounts();
  const api = counts.listeners["api"] = newListenerCounts();
  countRequest(api, { status: 200, bytes: 100, durationMs: 4, cache: "hit_memory" });
  countRequest(api, { status: 404, bytes: 20, durationMs: 40, cache: "miss" });
  countRequest(api, { status: 0, bytes: 3, durationMs: 99_000, cache: "miss" });
  counts.listeners["images"] = { ...newListenerCounts(), queued: 3, turnedAway: 2, rateLimited: 5 };
  counts.pools["films"] = {
    ...{ retries: 6, retriesRefused: 1, hedges: 4, hedgesWon: 3, queued: 8, turnedAway: 7 },
    ...{ credentialQueued: 9, credentialTurnedAway: 2 },
  };
  Object.assign(credentialCounts(counts, "films", 2), { requests: 30, limited: 4, refused: 5 });
  const upstream = upstreamCounts(counts, "films", "http://one.example");
  countTry(upstream, "ok", 1_500);
  countTry(upstream, "timeout", 500);
  return counts;
}

function valueOf({ samples }: ReadExposition, name: string, labels: Record<string, string>): number | undefined {
  const found = samples.filter((sample) =>
    sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  );
  assert.ok(found.length <= 1, `${name} is not one sample`);
  return found[0]?.value;
}

Deno.test("prometheusText() writes every counter with its labels, help and type, as exposition.txt has it", () => {
  const counts = counted();
  delete counts.listeners["images"];
  const api = counts.listeners["api"] = newListenerCounts();
  countRequest(api, { status: 200, bytes: 100, durationMs: 4, cache: "hit_memory" });
  countRequest(api, { status: 404, bytes: 20, durationMs: 40, cache: "miss", fwd: "uri-miss" });
  countRequest(api, { status: 0, bytes: 3, durationMs: 99_000, cache: "miss", fwd: "stale" });
  countClient(api, "tv");
  Object.assign(api, { queued: 3, turnedAway: 2, rateLimited: 5, unauthorized: 7, authBlocked: 8, inFlight: 1 });
  Object.assign(api.conversions, { done: 4, failed: 1 });
  const further: Metric[] = [
    {
      name: "usher_workers",
      help: 'Workers\nby "role" \\ or not',
      type: "gauge",
      values: [{ labels: { role: 'a"b\\c\nd' }, value: 0.5 }, { labels: {}, value: Infinity }],
    },
    { name: "usher_nothing", help: "Without samples", type: "gauge", values: [] },
  ];
  assert.equal(prometheusText(counts, further), readText("tests/metrics/exposition.txt"));
});

Deno.test("prometheusText() says every counter with its labels, in base units", () => {
  const read = readExposition(prometheusText(counted(), []));
  const listener = "api";
  assert.equal(valueOf(read, "usher_requests_total", { listener, status: "2xx" }), 1);
  assert.equal(valueOf(read, "usher_requests_total", { listener, status: "4xx" }), 1);
  assert.equal(valueOf(read, "usher_requests_total", { listener, status: "499" }), 1);
  assert.equal(valueOf(read, "usher_requests_total", { listener: "images", status: "2xx" }), 0);
  assert.equal(valueOf(read, "usher_cache_results_total", { listener, result: "miss" }), 2);
  assert.equal(valueOf(read, "usher_response_bytes_total", { listener }), 123);
  const upstream = { pool: "films", upstream: "http://one.example" };
  assert.equal(valueOf(read, "usher_upstream_tries_total", { ...upstream, outcome: "timeout" }), 1);
  assert.equal(valueOf(read, "usher_upstream_latency_seconds_total", upstream), 2);
});

Deno.test("prometheusText() says what retries, hedges, queues and limits have done", () => {
  const read = readExposition(prometheusText(counted(), []));
  const values = (name: string, results: readonly string[], labels: Record<string, string>) =>
    results.map((result) => valueOf(read, name, { ...labels, result }));
  const pool = { pool: "films" };
  assert.deepEqual(values("usher_retries_total", ["made", "refused"], pool), [6, 1]);
  assert.deepEqual(values("usher_hedges_total", ["sent", "won"], pool), [4, 3]);
  assert.deepEqual(values("usher_pool_queue_total", ["waited", "refused"], pool), [8, 7]);
  assert.deepEqual(values("usher_key_queue_total", ["waited", "refused"], pool), [9, 2]);
  assert.equal(valueOf(read, "usher_key_requests_total", { ...pool, key: "2" }), 30);
  assert.equal(valueOf(read, "usher_key_rejections_total", { ...pool, key: "2", reason: "limited" }), 4);
  assert.equal(valueOf(read, "usher_key_rejections_total", { ...pool, key: "2", reason: "refused" }), 5);
  assert.deepEqual(values("usher_listener_queue_total", ["waited", "refused"], { listener: "images" }), [3, 2]);
  assert.equal(valueOf(read, "usher_rate_limited_total", { listener: "images" }), 5);
  assert.equal(valueOf(read, "usher_rate_limited_total", { listener: "api" }), 0);
});

Deno.test("prometheusText() writes a histogram that adds up: cumulative buckets, +Inf equal to the count", () => {
  const read = readExposition(prometheusText(counted(), []));
  const name = "usher_request_duration_seconds";
  const buckets = read.samples.filter((sample) =>
    sample.name === `${name}_bucket` && sample.labels["listener"] === "api"
  );
  assert.deepEqual(buckets.map(({ labels }) => labels["le"]), [
    ...DURATION_BUCKETS_MS.map((bound) => String(bound / 1_000)),
    "+Inf",
  ]);
  for (const { labels, value } of buckets) {
    const bound = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
    assert.equal(value, [0.004, 0.04, 99].filter((seconds) => seconds <= bound).length, `le ${bound}`);
  }
  assert.equal(valueOf(read, `${name}_count`, { listener: "api" }), 3);
  assert.equal(valueOf(read, `${name}_sum`, { listener: "api" }), 99.044);
  assert.equal(read.types.get(name), "histogram");
});

Deno.test("prometheusText() gives every metric its help and type", () => {
  const further: Metric[] = [{
    name: "usher_workers",
    help: "Workers",
    type: "gauge",
    values: [{ labels: { role: "serving" }, value: 2 }],
  }];
  const { samples, help, types } = readExposition(prometheusText(counted(), further));
  for (const { name } of samples) {
    const base = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
    assert.ok(help.get(base), `help of ${name}`);
    assert.equal(types.get(base), name.endsWith("_total") ? "counter" : base === name ? "gauge" : "histogram", name);
  }
});

Deno.test("prometheusText() has as many samples as listeners and upstreams make, however many requests came", () => {
  const counts = counted();
  const size = readExposition(prometheusText(counts, [])).samples.length;
  for (let at = 0; at < 1_000; at++) {
    countRequest(counts.listeners["api"]!, {
      status: 100 + at % 500,
      bytes: at,
      durationMs: at,
      cache: CACHE_RESULTS[at % 8]!,
    });
  }
  assert.equal(readExposition(prometheusText(counts, [])).samples.length, size);
});

Deno.test("prometheusText() escapes labels: no value of one can add a sample", () => {
  const hostile = 'a"} 1\nusher_requests_total{listener="b\\';
  const further: Metric[] = [{
    name: "usher_x",
    help: "X",
    type: "gauge",
    values: [{ labels: { name: hostile }, value: 1 }],
  }];
  const { samples } = readExposition(prometheusText(newWorkerCounts(), further));
  assert.deepEqual(samples, [{ name: "usher_x", labels: { name: hostile }, value: 1 }]);
});

Deno.test("prometheusText() of a gateway that has served nothing is an exposition without samples", () => {
  assert.deepEqual(readExposition(prometheusText(newWorkerCounts(), [])).samples, []);
});

Deno.test("prometheusText() tells clients apart by name, and who was refused", () => {
  const counts = counted();
  Object.assign(counts.listeners["api"]!, { unauthorized: 7, authBlocked: 8, clients: { tv: 5, kodi: 6 } });
  const read = readExposition(prometheusText(counts, []));
  assert.equal(valueOf(read, "usher_client_requests_total", { listener: "api", client: "tv" }), 5);
  assert.equal(valueOf(read, "usher_client_requests_total", { listener: "api", client: "kodi" }), 6);
  assert.equal(valueOf(read, "usher_auth_failures_total", { listener: "api", result: "refused" }), 7);
  assert.equal(valueOf(read, "usher_auth_failures_total", { listener: "api", result: "blocked" }), 8);
});
