import { FORWARD_REASONS } from "../forward_reason.ts";
import { Registry } from "prom-client";
import {
  CACHE_RESULTS,
  DURATION_BUCKETS_MS,
  type ListenerCounts,
  type PoolCounts,
  type UpstreamCounts,
  type WorkerCounts,
} from "./gateway_metrics.ts";

/** One value with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Where it is not the metric's own name: `…_bucket`, `…_sum`, `…_count`. */
  readonly metricName?: string;
}

/** A metric with its values at one moment. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: readonly Sample[];
}

/**
 * All counters and further metrics in the Prometheus text format. Counting is our own (an addition on the request's path);
 * `prom-client` writes the format.
 */
export function prometheusText(counts: WorkerCounts, further: readonly Metric[]): Promise<string> {
  const registry = new Registry();
  const counters = [listenerMetrics, imageMetrics, accessMetrics, poolMetrics, upstreamMetrics, keyMetrics].flatMap((
    metrics,
  ) => metrics(counts));
  for (const metric of [...counters, ...further]) {
    // The registry asks a metric for nothing but its name and what `get` answers.
    registry.registerMetric(
      { name: metric.name, get: () => Promise.resolve({ ...metric, aggregator: "sum" }) } as never,
    );
  }
  return registry.metrics();
}

function listenerMetrics({ listeners }: WorkerCounts): Metric[] {
  const entries = Object.entries(listeners);
  const samples = (of: (listener: string, counts: ListenerCounts) => Sample[]) =>
    entries.flatMap(([name, counts]) => of(name, counts));
  return [
    {
      name: "usher_requests_total",
      help: "Requests by listener and class of status; class 499 counts those whose client left first",
      type: "counter",
      values: samples((listener, counts) =>
        counts.byClass.map((value, index) => ({
          labels: { listener, status: index === 0 ? "499" : `${index}xx` },
          value,
        }))
      ),
    },
    {
      name: "usher_cache_results_total",
      help: "Requests by listener and how the cache took part",
      type: "counter",
      values: samples((listener, counts) =>
        counts.byCache.map((value, index) => ({ labels: { listener, result: CACHE_RESULTS[index]! }, value }))
      ),
    },
    {
      name: "usher_forwarded_requests_total",
      help: "Requests not answered from the store, by listener and reason (RFC 9211)",
      type: "counter",
      values: samples((listener, counts) =>
        counts.byReason.map((value, index) => ({ labels: { listener, reason: FORWARD_REASONS[index]! }, value }))
      ),
    },
    {
      name: "usher_response_bytes_total",
      help: "Content bytes sent to clients",
      type: "counter",
      values: samples((listener, counts) => [{ labels: { listener }, value: counts.responseBytes }]),
    },
    {
      name: "usher_request_duration_seconds",
      help: "Time from a request's arrival to its response",
      type: "histogram",
      values: samples(durationSamples),
    },
    {
      name: "usher_listener_queue_total",
      help: "Requests that waited under max_in_flight, and those refused with 503",
      type: "counter",
      values: samples((listener, { queued, turnedAway }) =>
        results({ listener }, { waited: queued, refused: turnedAway })
      ),
    },
  ];
}

function accessMetrics({ listeners }: WorkerCounts): Metric[] {
  const entries = Object.entries(listeners);
  return [
    {
      name: "usher_rate_limited_total",
      help: "Requests refused with 429: their client's quota was spent",
      type: "counter",
      values: entries.map(([listener, { rateLimited }]) => ({ labels: { listener }, value: rateLimited })),
    },
    {
      name: "usher_client_requests_total",
      help: "Requests with a valid token, by listener and the name of the client",
      type: "counter",
      values: entries.flatMap(([listener, { clients }]) =>
        Object.entries(clients).map(([client, value]) => ({ labels: { listener, client }, value }))
      ),
    },
    {
      name: "usher_auth_failures_total",
      help: "Requests without a valid token (401), and those of addresses that tried too many wrong ones (429)",
      type: "counter",
      values: entries.flatMap(([listener, { unauthorized, authBlocked }]) =>
        results({ listener }, { refused: unauthorized, blocked: authBlocked })
      ),
    },
  ];
}

function imageMetrics({ listeners }: WorkerCounts): Metric[] {
  return [{
    name: "usher_image_conversions_total",
    help: "Conversions of pictures by what became of them; what is not done is served as it is",
    type: "counter",
    values: Object.entries(listeners).flatMap(([listener, { conversions }]) => results({ listener }, conversions)),
  }];
}

function durationSamples(listener: string, counts: ListenerCounts): Sample[] {
  const name = "usher_request_duration_seconds";
  let total = 0;
  const buckets = counts.durations.map((value, index): Sample => {
    total += value;
    const bound = DURATION_BUCKETS_MS[index];
    const le = bound === undefined ? "+Inf" : String(bound / 1000);
    return { labels: { listener, le }, value: total, metricName: `${name}_bucket` };
  });
  return [
    ...buckets,
    { labels: { listener }, value: counts.durationSumMs / 1000, metricName: `${name}_sum` },
    { labels: { listener }, value: total, metricName: `${name}_count` },
  ];
}

function results(labels: Readonly<Record<string, string>>, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([result, value]) => ({ labels: { ...labels, result }, value }));
}

function poolMetrics({ pools }: WorkerCounts): Metric[] {
  const counter = (name: string, help: string, of: (counts: PoolCounts) => Record<string, number>): Metric => ({
    name,
    help,
    type: "counter",
    values: Object.entries(pools).flatMap(([pool, counts]) => results({ pool }, of(counts))),
  });
  return [
    counter(
      "usher_retries_total",
      "Tries after a request's first, and those that the retry budget refused",
      ({ retries, retriesRefused }) => ({ made: retries, refused: retriesRefused }),
    ),
    counter(
      "usher_hedges_total",
      "Second tries beside a late first one, and those that brought the answer",
      ({ hedges, hedgesWon }) => ({ sent: hedges, won: hedgesWon }),
    ),
    counter(
      "usher_pool_queue_total",
      "Requests that waited for an upstream with room, and those that did so in vain",
      ({ queued, turnedAway }) => ({ waited: queued, refused: turnedAway }),
    ),
    counter(
      "usher_key_queue_total",
      "Requests that waited for a key with room, and those that did so in vain",
      ({ credentialQueued, credentialTurnedAway }) => ({ waited: credentialQueued, refused: credentialTurnedAway }),
    ),
  ];
}

function keyMetrics({ credentials }: WorkerCounts): Metric[] {
  const all = Object.entries(credentials).flatMap(([pool, counts]) =>
    Object.entries(counts).map(([key, count]) => ({ labels: { pool, key }, ...count }))
  );
  return [
    {
      name: "usher_key_requests_total",
      help: "Tries at upstreams that a key of the pool was put into, by its place",
      type: "counter",
      values: all.map(({ labels, requests }) => ({ labels, value: requests })),
    },
    {
      name: "usher_key_rejections_total",
      help: "Answers that said that a key is at its limit (429), or refused it (401)",
      type: "counter",
      values: all.flatMap(({ labels, limited, refused }) =>
        Object.entries({ limited, refused }).map(([reason, value]) => ({ labels: { ...labels, reason }, value }))
      ),
    },
  ];
}

function upstreamMetrics({ upstreams }: WorkerCounts): Metric[] {
  const all = Object.entries(upstreams).flatMap(([pool, counts]) =>
    Object.entries(counts).map((
      [upstream, count],
    ): [Record<string, string>, UpstreamCounts] => [{ pool, upstream }, count])
  );
  return [
    {
      name: "usher_upstream_tries_total",
      help: "Tries at upstreams by outcome",
      type: "counter",
      values: all.flatMap(([labels, counts]) =>
        Object.entries(counts.outcomes).map(([outcome, value]) => ({ labels: { ...labels, outcome }, value }))
      ),
    },
    {
      name: "usher_upstream_latency_seconds_total",
      help: "Sum of response times of tries at upstreams",
      type: "counter",
      values: all.map(([labels, counts]) => ({ labels, value: counts.latencySumMs / 1000 })),
    },
  ];
}
