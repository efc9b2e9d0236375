import type { PreparedKvFile } from "../../cache/disk/kv_open.ts";
import type { ForwardProxyConfig } from "../../config/forward_proxies.ts";
import { addressKey } from "../../gateway/compile.ts";
import { gauge, type Metric } from "../../metrics/exposition.ts";
import {
  type ListenerCounts,
  newForwardProxyCounts,
  PROXY_RESULTS,
  type WorkerCounts,
} from "../../metrics/gateway_metrics.ts";
import { diskQuotasOf } from "../worker/disk.ts";
import { certificateMetrics, certificateStatus } from "../supervisor/certificate_keeper.ts";
import type { ReloadCounts } from "../supervisor/reload_counts.ts";
import type { Slot } from "../supervisor/slot.ts";
import type { ConfigGeneration } from "../messages.ts";
import {
  cacheMetrics,
  diskProblem,
  listenerCache,
  purgeRules,
  shownChangeFeed,
  type StatisticsFacts,
  tierFigures,
} from "./cache_figures.ts";
import { clusterMetrics, clusterStatus } from "./cluster_figures.ts";
import type { ClusterLink } from "../operations/cluster_link.ts";
import { kvFileMetrics, processMetrics, reloadMetrics } from "./process_figures.ts";
import { gatewayState } from "./gateway_state.ts";
import { sharedMetrics, sharedStatus } from "./shared_figures.ts";
import { traceMetrics } from "./trace_figures.ts";
import type { Drain } from "../operations/upstream_desk.ts";
import { peerStatus, workerMetrics, workerStatus } from "./worker_figures.ts";
import { listenerLimits, poolStatus, resilienceMetrics } from "./pool_figures.ts";

/** The supervisor's part of the status and the metrics. */
export interface StatusFacts {
  readonly version: string;
  readonly startedAtMs: number;
  readonly current: ConfigGeneration;
  readonly slots: readonly Slot[];
  readonly rates: StatisticsFacts["rates"];
  readonly purges: StatisticsFacts["purges"];
  readonly prewarms: StatisticsFacts["prewarms"];
  readonly changes: StatisticsFacts["changes"];
  readonly kvFile: PreparedKvFile;
  /** What has become of that file since; `null` while it is there. */
  readonly kvFileLost: string | null;
  readonly reloads: ReloadCounts;
  /** Descriptors that the process may have. */
  readonly descriptors: number;
  readonly drains: readonly Drain[];
  /** `null` where there is no cluster. */
  readonly cluster: ClusterLink | null;
}

/** What `/status` needs beside that. */
export interface StatusDetails extends StatusFacts {
  readonly configFile: string;
  readonly counts: WorkerCounts;
  readonly isStopping: boolean;
  readonly lastReload: { readonly atMs: number; readonly problems: readonly string[] } | null;
}

/** The state of the whole gateway as plain data: what `/status` answers. */
export function statusOf(details: StatusDetails) {
  const { current, slots, counts } = details;
  const { perSecond, lastMinute, lastHour, sinceStart } = details.rates(null);
  return {
    ...gatewayState({
      ...{ config: current.config, slots, isStopping: details.isStopping },
      kvProblem: details.kvFileLost ?? (details.kvFile.path === null ? details.kvFile.problem : null),
      reloadProblems: details.lastReload?.problems ?? [],
      nowMs: Date.now(),
    }),
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
    requests_per_second: perSecond,
    peers: peerStatus(slots, current.config.logging.client),
    workers: slots.map(workerStatus),
    listeners: current.config.listeners.map((listener) => ({
      name: listener.name,
      listen: addressKey(listener.listen),
      hosts: listener.hosts,
      prefix: listener.prefix,
      pool: listener.pool,
      requests_per_second: details.rates(listener.name).perSecond,
      ...listenerFigures(counts.listeners[listener.name]),
      ...listenerLimits(listener.name, slots, counts.listeners[listener.name]),
      cache: listenerCache(listener.name, counts.listeners[listener.name], statisticsOf(details)),
    })),
    forward_proxies: current.config.forwardProxies.map((proxy) => forwardProxyStatus(proxy, counts.forwardProxies)),
    pools: current.config.pools.map((pool) => poolStatus(pool, { slots, counts, drains: details.drains })),
    certificates: certificateStatus(current.config, Date.now()),
    cluster: clusterStatus(details.cluster),
    change_feeds: details.changes.map(shownChangeFeed),
    cache: {
      kv_file: details.kvFile,
      ...tierFigures(slots),
      shared: sharedStatus(slots),
      hit_rate: sinceStart,
      hit_rate_1m: lastMinute,
      hit_rate_1h: lastHour,
      disk_problem: details.kvFileLost ?? diskProblem(slots),
      purge_rules: purgeRules(slots),
    },
  };
}

function forwardProxyStatus(
  { name, listen, hosts }: ForwardProxyConfig,
  counts: WorkerCounts["forwardProxies"],
) {
  const { byResult, tunnels, bytes } = counts[name] ?? newForwardProxyCounts();
  return {
    name,
    listen: addressKey(listen),
    hosts,
    requests: Object.fromEntries(PROXY_RESULTS.map((result, index) => [result, byResult[index]!])),
    tunnels,
    tunnel_bytes: bytes,
  };
}

/** The state of the whole gateway, as `/status` answers it and commands read it. */
export type Status = ReturnType<typeof statusOf>;

/** Metrics beside the counters: the state of this moment. */
export function gauges(facts: StatusFacts): Metric[] {
  return [
    gauge("usher_build_info", "Always 1", [{ labels: { version: facts.version }, value: 1 }]),
    ...processMetrics(facts),
    ...reloadMetrics(facts.current.generation, facts.reloads),
    ...kvFileMetrics(facts.kvFile.path),
    ...workerMetrics(facts.slots),
    ...certificateMetrics(facts.current.config),
    ...traceMetrics(facts.slots),
    ...clusterMetrics(facts.cluster, facts.slots),
    ...cacheMetrics(statisticsOf(facts)),
    ...sharedMetrics(facts.slots),
    ...resilienceMetrics({
      slots: facts.slots,
      pools: facts.current.config.pools,
      drains: facts.drains,
      listeners: facts.current.config.listeners.map(({ name }) => name),
    }),
  ];
}

function listenerFigures(counts: ListenerCounts | undefined) {
  if (counts === undefined) return { requests: 0, in_flight: 0, shed: 0 };
  return {
    requests: counts.requests,
    in_flight: counts.inFlight,
    shed: counts.shed,
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
