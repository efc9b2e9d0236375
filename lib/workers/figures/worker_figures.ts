import { type ClientDetail, shownClient } from "../../logging/client_address.ts";
import { histogramSamples } from "../../metrics/counted_metrics.ts";
import { counter, gauge, type Metric, type Sample } from "../../metrics/exposition.ts";
import type { WorkerCounts } from "../../metrics/gateway_metrics.ts";
import { LAG_BUCKETS_MS } from "../../metrics/histogram.ts";
import { joinedPeers } from "../../server/peer_sight.ts";
import type { ServerCounts } from "../../server/server_counts.ts";
import type { WorkerReport } from "../messages.ts";
import type { Slot } from "../supervisor/slot.ts";
import { withReport } from "./lasting_counts.ts";

/** A worker in `/status`. */
export function workerStatus(slot: Slot) {
  const report = slot.handle?.report ?? null;
  return {
    name: slot.name,
    state: slot.handle === null ? "restarting" : "up",
    started_at: slot.handle === null ? null : new Date(slot.handle.startedAtMs).toISOString(),
    restarts: slot.policy.total,
    generation: report?.generation ?? null,
    requests: report === null ? 0 : sum(Object.values(report.counts.listeners).map((counts) => counts.requests)),
    flights: report?.flights ?? 0,
    background_tasks: report?.backgroundTasks ?? 0,
    connections: report?.server?.openConnections ?? 0,
    tunnels: report?.server?.openTunnels ?? 0,
    upstream_connections: report?.connections ?? {},
    loop_lag_ms: report?.loopLagMs ?? null,
    heap_bytes: report?.heapBytes ?? null,
    cache: { memory: report?.memory ?? null },
  };
}

/** Where connections of clients came from, in `/status`: an address as logs show it. */
export function peerStatus(slots: readonly Slot[], detail: ClientDetail) {
  const { only, ...counts } = joinedPeers(slots.flatMap(({ handle }) => handle?.report?.peers ?? []));
  return { ...counts, only: only === null ? null : shownClient(only, detail) };
}

/** How workers are, and what their servers have met. */
export function workerMetrics(slots: readonly Slot[]): Metric[] {
  const all = slots.map((slot): Counted => ({ slot, counts: withReport(slot.retired, slot.handle?.report ?? null) }));
  const serving = all.filter(({ slot }) => slot.role === "serving");
  const each = (of: (slot: Slot, report: WorkerReport | null) => number) =>
    slots.map((slot) => ({ labels: { worker: slot.name }, value: of(slot, slot.handle?.report ?? null) }));
  return [
    gauge("usher_worker_up", "1 while the worker runs", each((slot) => slot.handle === null ? 0 : 1)),
    counter("usher_worker_restarts_total", "Times the worker was replaced", each((slot) => slot.policy.total)),
    counter(
      "usher_worker_requests_total",
      "Requests that the worker has answered",
      serving.map(({ slot }) => ({
        labels: { worker: slot.name },
        value: answered(slot.retired.requests) + answered(slot.handle?.report?.counts),
      })),
    ),
    {
      name: "usher_worker_loop_lag_seconds",
      help: "How late timers fire: the time for which the event loop of a worker was busy with something else",
      type: "histogram",
      values: all.flatMap(({ slot, counts: { loop } }) =>
        histogramSamples("usher_worker_loop_lag_seconds", {
          labels: { worker: slot.name },
          boundsMs: LAG_BUCKETS_MS,
          ...loop,
        })
      ),
    },
    ...imageGauges(slots),
    gauge("usher_worker_heap_bytes", "JavaScript heap in use", each((_, report) => report?.heapBytes ?? 0)),
    gauge(
      "usher_worker_upstream_connections",
      "Open connections to upstreams",
      each((_, report) => sum(Object.values(report?.connections ?? {}))),
    ),
    ...serverMetrics(serving),
  ];
}

/** A place for a worker, and what those in it have counted. */
interface Counted {
  readonly slot: Slot;
  readonly counts: ReturnType<typeof withReport>;
}

function answered(counts: WorkerCounts | undefined): number {
  return sum(Object.values(counts?.listeners ?? {}).map(({ requests }) => requests));
}

/** Nothing where there is no image worker. */
function imageGauges(slots: readonly Slot[]): Metric[] {
  const images = slots.find(({ role }) => role === "image")?.handle?.report?.images;
  if (images === undefined) return [];
  const { running, waiting, overdue, problem } = images;
  const states = Object.entries({ running, waiting, overdue }).map(([state, value]) => ({ labels: { state }, value }));
  return [
    gauge("usher_image_queue", "Conversions of pictures under way, waiting, and over their time", states),
    gauge("usher_image_converter_up", "1 while pictures can be converted", [
      { labels: {}, value: problem === null ? 1 : 0 },
    ]),
  ];
}

/** One figure of the server: where it is counted, and how it is shown. */
interface Figure {
  readonly field: keyof ServerCounts;
  readonly metric: string;
  readonly label?: readonly [name: string, value: string];
}

const HELP: Readonly<Record<string, string>> = {
  usher_connections: "Open connections of clients",
  usher_tunnels: "Connections that have switched to another protocol",
  usher_connections_accepted_total: "Connections accepted, those refused included",
  usher_connections_refused_total:
    "Connections closed at once: too many in all, too many of one address, no PROXY header",
  usher_tls_handshake_failures_total: "TLS handshakes that failed, those over handshake_timeout not counted",
  usher_accept_errors_total: "Times that no connection could be accepted, mostly for want of descriptors",
  usher_client_timeouts_total: "Connections, requests and replies that a limit of server.limits has ended",
  usher_requests_refused_total: "Requests refused for their form, by what was wrong",
  usher_client_aborts_total: "Requests whose client left before the reply was complete",
  usher_pipeline_full_total: "Times that reading stopped since as many requests waited as may",
  usher_reply_faults_total: "Replies that could not be sent as they were: faults of the gateway",
};

const GAUGES: readonly Figure[] = [
  { field: "openConnections", metric: "usher_connections" },
  { field: "openTunnels", metric: "usher_tunnels" },
];

const COUNTERS: readonly Figure[] = [
  { field: "accepted", metric: "usher_connections_accepted_total" },
  { field: "refusedFull", metric: "usher_connections_refused_total", label: ["reason", "full"] },
  { field: "refusedAddress", metric: "usher_connections_refused_total", label: ["reason", "address"] },
  { field: "refusedProxyHeader", metric: "usher_connections_refused_total", label: ["reason", "proxy_header"] },
  { field: "handshakeFailures", metric: "usher_tls_handshake_failures_total" },
  { field: "acceptErrors", metric: "usher_accept_errors_total" },
  { field: "handshakeTimeouts", metric: "usher_client_timeouts_total", label: ["limit", "handshake_timeout"] },
  { field: "headTimeouts", metric: "usher_client_timeouts_total", label: ["limit", "head_timeout"] },
  { field: "idleTimeouts", metric: "usher_client_timeouts_total", label: ["limit", "idle_timeout"] },
  { field: "bodyTimeouts", metric: "usher_client_timeouts_total", label: ["limit", "body_timeout"] },
  { field: "sendTimeouts", metric: "usher_client_timeouts_total", label: ["limit", "send_timeout"] },
  { field: "cutOffReaders", metric: "usher_client_timeouts_total", label: ["limit", "unsent"] },
  { field: "tunnelTimeouts", metric: "usher_client_timeouts_total", label: ["limit", "tunnels.idle"] },
  { field: "targetsTooLong", metric: "usher_requests_refused_total", label: ["reason", "target"] },
  { field: "fieldsTooLarge", metric: "usher_requests_refused_total", label: ["reason", "fields"] },
  { field: "malformed", metric: "usher_requests_refused_total", label: ["reason", "malformed"] },
  { field: "abortedRequests", metric: "usher_client_aborts_total" },
  { field: "pipelineFull", metric: "usher_pipeline_full_total" },
  { field: "faults", metric: "usher_reply_faults_total" },
];

/** What the servers of the workers have met, for `/metrics`. */
function serverMetrics(serving: readonly Counted[]): Metric[] {
  return [...metricsOf(serving, GAUGES, "gauge"), ...metricsOf(serving, COUNTERS, "counter")];
}

function metricsOf(serving: readonly Counted[], figures: readonly Figure[], type: Metric["type"]): Metric[] {
  const byName = Map.groupBy(figures, ({ metric }) => metric);
  return [...byName].map(([name, parts]) => ({
    name,
    type,
    help: HELP[name] ?? "",
    values: parts.flatMap(({ field, label }) =>
      serving.map(({ slot, counts }): Sample => ({
        labels: { worker: slot.name, ...(label && { [label[0]]: label[1] }) },
        value: counts.server[field],
      }))
    ),
  }));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
