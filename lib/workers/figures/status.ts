import type { PreparedKvFile } from "../../cache/disk/kv_open.ts";
import { addressKey } from "../../gateway/compile.ts";
import type { Metric, Sample } from "../../metrics/exposition.ts";
import type { ListenerCounts, WorkerCounts } from "../../metrics/gateway_metrics.ts";
import {
  cacheMetrics,
  diskProblem,
  listenerCache,
  purgeRules,
  type StatisticsFacts,
  tierFigures,
} from "./cache_figures.ts";
import { diskQuotasOf } from "../worker/disk_quotas.ts";
import { shownChangeFeed } from "./change_feed_figures.ts";
import { certificateMetrics, certificateStatus } from "../supervisor/certificate_keeper.ts";
import type { Slot } from "../supervisor/fleet.ts";
import { serverMetrics } from "./worker_figures.ts";
import type { ConfigGeneration, WorkerReport } from "../messages.ts";
import { listenerLimits, poolStatus, resilienceMetrics } from "./pool_figures.ts";

/** What the supervisor knows, for whoever asks. */
export interface StatusFacts {
  readonly version: string;
  readonly startedAtMs: number;
  readonly current: ConfigGeneration;
  readonly slots: readonly Slot[];
  readonly rates: StatisticsFacts["rates"];
  readonly purges: StatisticsFacts["purges"];
  readonly prewarms: StatisticsFacts["prewarms"];
  readonly changes: StatisticsFacts["changes"];
}

/** What `/status` needs beside that. */
export interface StatusDetails extends StatusFacts {
  readonly configFile: string;
  readonly counts: WorkerCounts;
  readonly kvFile: PreparedKvFile;
  readonly lastReload: { readonly atMs: number; readonly problems: readonly string[] } | null;
}

/** The state of the whole gateway as plain data: what `/status` answers. */
export function statusOf(details: StatusDetails): unknown {
  const { current, slots, counts } = details;
  return {
    version: details.version,
    pid: Deno.pid,
    started_at: new Date(details.startedAtMs).toISOString(),
    uptime_seconds: Math.round((Date.now() - details.startedAtMs) / 1000),
    config: {
      file: details.configFile,
      generation: current.generation,
      last_reload: details.lastReload === null
        ? null
        : { at: new Date(details.lastReload.atMs).toISOString(), problems: details.lastReload.problems },
    },
    workers: slots.map(workerStatus),
    listeners: current.config.listeners.map((listener) => ({
      name: listener.name,
      listen: addressKey(listener.listen),
      hosts: listener.hosts,
      prefix: listener.prefix,
      pool: listener.pool,
      ...listenerFigures(counts.listeners[listener.name]),
      ...listenerLimits(listener.name, slots, counts.listeners[listener.name]),
      cache: listenerCache(listener.name, counts.listeners[listener.name], statisticsOf(details)),
    })),
    pools: current.config.pools.map((pool) => poolStatus(pool, slots, counts)),
    certificates: certificateStatus(current.config, Date.now()),
    change_feeds: details.changes.map(shownChangeFeed),
    cache: {
      kv_file: details.kvFile,
      ...tierFigures(slots),
      disk_problem: diskProblem(slots),
      purge_rules: purgeRules(slots),
    },
  };
}

/** Metrics beside the counters: what is so at this moment. */
export function gauges(facts: StatusFacts): Metric[] {
  return [
    single("usher_build_info", "Always 1", [{ labels: { version: facts.version }, value: 1 }]),
    single("usher_config_generation", "Configurations loaded since the start", [{
      labels: {},
      value: facts.current.generation,
    }]),
    single("usher_start_time_seconds", "When the process began", [{ labels: {}, value: facts.startedAtMs / 1000 }]),
    single("usher_resident_bytes", "Memory of the whole process", [{ labels: {}, value: Deno.memoryUsage().rss }]),
    ...workerGauges(facts.slots),
    ...serverMetrics(facts.slots),
    ...certificateMetrics(facts.current.config, Date.now()),
    ...cacheMetrics(statisticsOf(facts)),
    ...resilienceMetrics({
      slots: facts.slots,
      pools: facts.current.config.pools,
      listeners: facts.current.config.listeners.map(({ name }) => name),
    }),
  ];
}

function single(name: string, help: string, values: Sample[]): Metric {
  return { name, help, type: "gauge", values };
}

function workerGauges(slots: readonly Slot[]): Metric[] {
  const each = (of: (slot: Slot, report: WorkerReport | null) => number) =>
    slots.map((slot) => ({ labels: { worker: slot.name }, value: of(slot, slot.handle?.report ?? null) }));
  return [
    single("usher_worker_up", "1 while the worker runs", each((slot) => slot.handle === null ? 0 : 1)),
    {
      name: "usher_worker_restarts_total",
      help: "Times the worker was replaced",
      type: "counter",
      values: each((slot) => slot.policy.total),
    },
    single(
      "usher_worker_loop_lag_seconds",
      "How late timers fire, the worst lately",
      each((_, report) => (report?.loopLagMs ?? 0) / 1000),
    ),
    ...imageGauges(slots),
    single("usher_worker_heap_bytes", "JavaScript heap in use", each((_, report) => report?.heapBytes ?? 0)),
    single(
      "usher_worker_upstream_connections",
      "Open connections to upstreams",
      each((_, report) => sum(Object.values(report?.connections ?? {}))),
    ),
  ];
}

/** Nothing where there is no image worker. */
function imageGauges(slots: readonly Slot[]): Metric[] {
  const images = slots.find(({ role }) => role === "image")?.handle?.report?.images;
  if (images === undefined) return [];
  const { running, waiting, overdue, problem } = images;
  const states = Object.entries({ running, waiting, overdue }).map(([state, value]) => ({ labels: { state }, value }));
  return [
    single("usher_image_queue", "Conversions of pictures under way, waiting, and over their time", states),
    single("usher_image_converter_up", "1 while pictures can be converted", [
      { labels: {}, value: problem === null ? 1 : 0 },
    ]),
  ];
}

function workerStatus(slot: Slot): unknown {
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

function listenerFigures(counts: ListenerCounts | undefined): Record<string, unknown> {
  if (counts === undefined) return { requests: 0, in_flight: 0 };
  return {
    requests: counts.requests,
    in_flight: counts.inFlight,
    response_bytes: counts.responseBytes,
    by_status: Object.fromEntries(
      counts.byClass.map((count, index) => [index === 0 ? "client_left" : `${index}xx`, count]),
    ),
    by_client: { ...counts.clients },
    unauthorized: counts.unauthorized,
    auth_blocked: counts.authBlocked,
    // Nothing where no pictures are converted.
    ...(Object.keys(counts.conversions).length === 0 ? {} : { conversions: { ...counts.conversions } }),
  };
}

function statisticsOf({ slots, current, rates, purges, prewarms, changes }: StatusFacts): StatisticsFacts {
  const listeners = current.config.listeners.map(({ name }) => name);
  return { slots, listeners, diskQuotas: diskQuotasOf(current.config), rates, purges, prewarms, changes };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
