import assert from "node:assert/strict";
import { readText } from "../house/source_tree.ts";
import { countedMetrics } from "../../lib/metrics/counted_metrics.ts";
import { type Metric, openMetricsText, prometheusText } from "../../lib/metrics/exposition.ts";
import {
  CACHE_RESULTS,
  countClient,
  countProxied,
  countRequest,
  countTry,
  credentialCounts,
  newForwardProxyCounts,
  newListenerCounts,
  newWorkerCounts,
  upstreamCounts,
  type WorkerCounts,
} from "../../lib/metrics/gateway_metrics.ts";
import { DURATION_BUCKETS_MS } from "../../lib/metrics/histogram.ts";
import { type ReadExposition, readExposition } from "./exposition_text.ts";

function counted(): WorkerCounts {
  const counts = newWorkerCounts();
  const api = counts.listeners["api"] = newListenerCounts();
  countRequest(api, { status: 200, bytes: 100, durationMs: 0.4, cache: "hit_memory" });
  countRequest(api, { status: 404, bytes: 20, durationMs: 40, cache: "miss" });
  countRequest(api, { status: 0, bytes: 3, durationMs: 99_000, cache: "miss" });
  counts.listeners["images"] = { ...newListenerCounts(), queued: 3, turnedAway: 2, rateLimited: 5 };
  counts.pools["films"] = {
    ...{ retries: 6, retriesRefused: 1, hedges: 4, hedgesWon: 3, queued: 8, turnedAway: 7 },
    ...{ credentialQueued: 9, credentialTurnedAway: 2 },
  };
  Object.assign(credentialCounts(counts, "films", 2), { requests: 30, limited: 4, refused: 5 });
  const upstream = upstreamCounts(counts, "films", "http://one.example");
  countTry(upstream, { outcome: "ok", firstByteMs: 1_500, durationMs: 1_750 });
  countTry(upstream, { outcome: "timeout", firstByteMs: null, durationMs: 500 });
  upstream.receivedBytes += 4_000;
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
  countClient(api, "tv", { status: 200, bytes: 100, durationMs: 4, cache: "hit_memory" });
  Object.assign(api, { queued: 3, turnedAway: 2, rateLimited: 5, unauthorized: 7, authBlocked: 8, inFlight: 1 });
  Object.assign(api.conversions, { done: 4, failed: 1 });
  const proxy = counts.forwardProxies["way-in"] = { ...newForwardProxyCounts(), tunnels: 2, bytes: 70 };
  countProxied(proxy, "served");
  countProxied(proxy, "address");
  const further: Metric[] = [
    {
      name: "usher_workers",
      help: 'Workers\nby "role" \\ or not',
      type: "gauge",
      values: [{ labels: { role: 'a"b\\c\nd' }, value: 0.5 }, { labels: {}, value: Infinity }],
    },
    { name: "usher_nothing", help: "Without samples", type: "gauge", values: [] },
  ];
  assert.equal(prometheusText([...countedMetrics(counts), ...further]), readText("tests/metrics/exposition.txt"));
});

Deno.test("prometheusText() says every counter with its labels, in base units", () => {
  const read = readExposition(prometheusText(countedMetrics(counted())));
  const listener = "api";
  assert.equal(valueOf(read, "usher_requests_total", { listener, status: "2xx" }), 1);
  assert.equal(valueOf(read, "usher_requests_total", { listener, status: "4xx" }), 1);
  assert.equal(valueOf(read, "usher_requests_total", { listener, status: "499" }), 1);
  assert.equal(valueOf(read, "usher_requests_total", { listener: "images", status: "2xx" }), 0);
  assert.equal(valueOf(read, "usher_cache_results_total", { listener, result: "miss" }), 2);
  assert.equal(valueOf(read, "usher_response_bytes_total", { listener }), 123);
  const upstream = { pool: "films", upstream: "http://one.example" };
  assert.equal(valueOf(read, "usher_upstream_tries_total", { ...upstream, outcome: "timeout" }), 1);
  assert.equal(valueOf(read, "usher_upstream_first_byte_seconds_sum", upstream), 1.5);
  assert.equal(valueOf(read, "usher_upstream_first_byte_seconds_count", upstream), 1);
  assert.equal(valueOf(read, "usher_upstream_duration_seconds_sum", upstream), 2.25);
  assert.equal(valueOf(read, "usher_upstream_duration_seconds_bucket", { ...upstream, le: "1.0" }), 1);
  assert.equal(valueOf(read, "usher_upstream_duration_seconds_bucket", { ...upstream, le: "2.5" }), 2);
  assert.equal(valueOf(read, "usher_upstream_received_bytes_total", upstream), 4_000);
});

Deno.test("prometheusText() says what retries, hedges, queues and limits have done", () => {
  const read = readExposition(prometheusText(countedMetrics(counted())));
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

Deno.test("prometheusText() writes a histogram for each cache result that was met, and it adds up", () => {
  const read = readExposition(prometheusText(countedMetrics(counted())));
  const name = "usher_request_duration_seconds";
  const took: Readonly<Record<string, readonly number[]>> = { hit_memory: [0.0004], miss: [0.04, 99] };
  for (const [result, all] of Object.entries(took)) {
    const labels = { listener: "api", result };
    const buckets = read.samples.filter((sample) =>
      sample.name === `${name}_bucket` && sample.labels["listener"] === "api" && sample.labels["result"] === result
    );
    assert.deepEqual(buckets.map(({ labels }) => Number(labels["le"])), [
      ...DURATION_BUCKETS_MS.map((bound) => bound / 1_000),
      NaN,
    ]);
    for (const { labels: { le }, value } of buckets) {
      const bound = le === "+Inf" ? Infinity : Number(le);
      assert.equal(value, all.filter((seconds) => seconds <= bound).length, `${result}, le ${bound}`);
    }
    assert.equal(valueOf(read, `${name}_count`, labels), all.length);
    assert.equal(valueOf(read, `${name}_sum`, labels), all.reduce((sum, one) => sum + one));
  }
  const results = new Set(
    read.samples.filter((sample) => sample.name === `${name}_count`).map(({ labels }) => labels["result"]),
  );
  assert.deepEqual(results, new Set(Object.keys(took)));
  assert.equal(read.types.get(name), "histogram");
  // A number of seconds is written the same way in both formats: else each would make series of its own.
  const bounds = new Set(read.samples.map(({ labels }) => labels["le"]).filter((le) => le !== undefined));
  assert.ok(["0.00025", "1.0", "30.0", "+Inf"].every((le) => bounds.has(le)) && !bounds.has("1"));
});

Deno.test("prometheusText() gives every metric its help and type", () => {
  const further: Metric[] = [{
    name: "usher_workers",
    help: "Workers",
    type: "gauge",
    values: [{ labels: { role: "serving" }, value: 2 }],
  }];
  const { samples, help, types } = readExposition(prometheusText([...countedMetrics(counted()), ...further]));
  for (const { name } of samples) {
    const base = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
    assert.ok(help.get(base), `help of ${name}`);
    assert.equal(types.get(base), name.endsWith("_total") ? "counter" : base === name ? "gauge" : "histogram", name);
  }
});

Deno.test("prometheusText() has as many samples as listeners and upstreams make, however many requests came", () => {
  const counts = counted();
  for (const cache of CACHE_RESULTS) {
    countRequest(counts.listeners["api"]!, { status: 200, bytes: 1, durationMs: 1, cache });
  }
  const size = readExposition(prometheusText(countedMetrics(counts))).samples.length;
  for (let at = 0; at < 1_000; at++) {
    countRequest(counts.listeners["api"]!, {
      status: 100 + at % 500,
      bytes: at,
      durationMs: at,
      cache: CACHE_RESULTS[at % 8]!,
    });
  }
  assert.equal(readExposition(prometheusText(countedMetrics(counts))).samples.length, size);
});

Deno.test("prometheusText() escapes labels: no value of one can add a sample", () => {
  const hostile = 'a"} 1\nusher_requests_total{listener="b\\';
  const further: Metric[] = [{
    name: "usher_x",
    help: "X",
    type: "gauge",
    values: [{ labels: { name: hostile }, value: 1 }],
  }];
  const { samples } = readExposition(prometheusText(further));
  assert.deepEqual(samples, [{ name: "usher_x", labels: { name: hostile }, value: 1 }]);
});

Deno.test("prometheusText() of a gateway that has served nothing is an exposition without samples", () => {
  assert.deepEqual(readExposition(prometheusText(countedMetrics(newWorkerCounts()))).samples, []);
});

Deno.test("prometheusText() tells clients apart by name, and who was refused", () => {
  const counts = counted();
  Object.assign(counts.listeners["api"]!, { unauthorized: 7, authBlocked: 8, clients: { tv: 5, kodi: 6 } });
  const read = readExposition(prometheusText(countedMetrics(counts)));
  assert.equal(valueOf(read, "usher_client_requests_total", { listener: "api", client: "tv" }), 5);
  assert.equal(valueOf(read, "usher_client_requests_total", { listener: "api", client: "kodi" }), 6);
  assert.equal(valueOf(read, "usher_auth_failures_total", { listener: "api", result: "refused" }), 7);
  assert.equal(valueOf(read, "usher_auth_failures_total", { listener: "api", result: "blocked" }), 8);
});

Deno.test("openMetricsText() names families without _total, tells units, and ends with # EOF, as openmetrics.txt has it", () => {
  const counts = newWorkerCounts();
  const api = counts.listeners["api"] = newListenerCounts();
  const trace = { id: "4bf92f3577b34da6a3ce929d0e0e4736", atMs: 1_800_000_000_250 };
  countRequest(api, {
    status: 200,
    bytes: 100,
    durationMs: 0.4,
    cache: "hit_memory",
    trace: { ...trace, id: "older" },
  });
  countRequest(api, { status: 200, bytes: 100, durationMs: 0.3, cache: "hit_memory", trace });
  countRequest(api, { status: 200, bytes: 100, durationMs: 0.3, cache: "hit_memory", trace: null });
  countRequest(api, { status: 200, bytes: 100, durationMs: 1_500, cache: "miss" });
  const shown = new Set(["usher_response_bytes_total", "usher_requests_in_flight", "usher_request_duration_seconds"]);
  const metrics: Metric[] = [
    ...countedMetrics(counts).filter(({ name }) => shown.has(name)),
    { name: "usher_x", help: 'An "x"\nor \\', type: "gauge", values: [{ labels: { name: 'a"b\\c\nd' }, value: NaN }] },
  ];
  assert.equal(openMetricsText(metrics), readText("tests/metrics/openmetrics.txt"));
  // The other format has no exemplars.
  assert.ok(!prometheusText(metrics).includes("4bf92f"));
});
