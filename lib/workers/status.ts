import type { PreparedKvFile } from "../cache/kv_open.ts";
import type { TierStats } from "../cache/store.ts";
import type { Metric, Sample } from "../metrics/exposition.ts";
import { CACHE_RESULTS, type ListenerCounts, type WorkerCounts } from "../metrics/gateway_metrics.ts";
import type { HealthTable } from "../pool/upstream_health.ts";
import type { Slot } from "./fleet.ts";
import type { ConfigGeneration, WorkerReport } from "./messages.ts";

/** What the supervisor knows, for whoever asks. */
export interface StatusFacts {
  readonly version: string;
  readonly startedAtMs: number;
  readonly current: ConfigGeneration;
  readonly slots: readonly Slot[];
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
      listen: `${listener.listen.hostname}:${listener.listen.port}`,
      hosts: listener.hosts,
      prefix: listener.prefix,
      pool: listener.pool,
      ...listenerFigures(counts.listeners[listener.name]),
    })),
    pools: current.config.pools.map((pool) => ({
      name: pool.name,
      type: pool.type,
      strategy: pool.strategy,
      upstreams: pool.upstreams.map((upstream) =>
        upstreamStatus(upstream.url, healthOf(slots, pool.name), counts.upstreams[pool.name])
      ),
    })),
    cache: { kv_file: details.kvFile, ...cacheFigures(slots) },
  };
}

/** Metrics beside the counters: what is so at this moment. */
export function gauges(facts: StatusFacts): Metric[] {
  const { memory, disk } = cacheFigures(facts.slots);
  const tiers = [["memory", memory], ["disk", disk]] as const;
  const perTier = (name: string, help: string, of: (stats: TierStats) => number): Metric => ({
    name,
    help,
    type: "gauge",
    values: tiers.flatMap(([tier, stats]) => stats === null ? [] : [{ labels: { tier }, value: of(stats) }]),
  });
  return [
    single("usher_build_info", "Always 1", [{ labels: { version: facts.version }, value: 1 }]),
    single("usher_config_generation", "Configurations loaded since the start", [{
      labels: {},
      value: facts.current.generation,
    }]),
    single("usher_start_time_seconds", "When the process began", [{ labels: {}, value: facts.startedAtMs / 1000 }]),
    single("usher_resident_bytes", "Memory of the whole process", [{ labels: {}, value: Deno.memoryUsage().rss }]),
    ...workerGauges(facts.slots),
    perTier("usher_cache_bytes", "Bytes held", (stats) => stats.bytes),
    perTier("usher_cache_entries", "Responses held", (stats) => stats.entries),
    perTier("usher_cache_limit_bytes", "Bytes that may be held", (stats) => stats.limitBytes),
    perTier("usher_cache_evictions", "Responses evicted by the current workers", (stats) => stats.evictions),
    perTier("usher_cache_queued_writes", "Writes waiting", (stats) => stats.queuedWrites),
    ...healthGauges(facts),
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
    single("usher_worker_heap_bytes", "JavaScript heap in use", each((_, report) => report?.heapBytes ?? 0)),
    single(
      "usher_worker_upstream_connections",
      "Open connections to upstreams",
      each((_, report) => sum(Object.values(report?.connections ?? {}))),
    ),
  ];
}

function healthGauges(facts: StatusFacts): Metric[] {
  const rows = facts.current.config.pools.flatMap((pool) => {
    const table = healthOf(facts.slots, pool.name);
    return pool.upstreams.map(({ url }) => ({
      labels: { pool: pool.name, upstream: url },
      health: table?.upstreams[url],
    }));
  });
  return [
    single(
      "usher_upstream_healthy",
      "1 while the upstream is given requests",
      rows.map(({ labels, health }) => ({
        labels,
        value: health?.state === "unhealthy" || health?.state === "ejected" ? 0 : 1,
      })),
    ),
    single(
      "usher_upstream_weight",
      "Effective weight",
      rows.map(({ labels, health }) => ({ labels, value: health?.weight ?? 0 })),
    ),
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
    upstream_connections: report?.connections ?? {},
    loop_lag_ms: report?.loopLagMs ?? null,
    heap_bytes: report?.heapBytes ?? null,
    cache: { memory: report?.memory ?? null },
  };
}

function listenerFigures(counts: ListenerCounts | undefined): Record<string, unknown> {
  if (counts === undefined) return { requests: 0, in_flight: 0, cache: { hit_rate: null } };
  const byResult = Object.fromEntries(CACHE_RESULTS.map((name, index) => [name, counts.byCache[index]!]));
  const asked = sum(counts.byCache) - byResult["bypass"]! - byResult["none"]!;
  const served = byResult["hit_memory"]! + byResult["hit_disk"]! + byResult["stale"]! + byResult["collapsed"]!;
  return {
    requests: counts.requests,
    in_flight: counts.inFlight,
    response_bytes: counts.responseBytes,
    by_status: Object.fromEntries(
      counts.byClass.map((count, index) => [index === 0 ? "client_left" : `${index}xx`, count]),
    ),
    cache: { ...byResult, hit_rate: asked === 0 ? null : Math.round(served / asked * 10_000) / 10_000 },
  };
}

function upstreamStatus(
  url: string,
  table: HealthTable | null,
  counts: WorkerCounts["upstreams"][string] | undefined,
): unknown {
  const health = table?.upstreams[url];
  return {
    url,
    state: health?.state ?? "unknown",
    healthy: health === undefined ? null : health.state !== "unhealthy" && health.state !== "ejected",
    reason: health?.reason ?? "",
    since: health === undefined ? null : new Date(health.sinceMs).toISOString(),
    weight: health?.weight ?? null,
    fast_ms: health?.fastMs ?? null,
    slow_ms: health?.slowMs ?? null,
    success_rate: health?.successRate ?? null,
    checks: health?.checks ?? 0,
    failed_checks: health?.failedChecks ?? 0,
    credential: health?.credential ?? "",
    tries: counts?.[url]?.outcomes ?? {},
  };
}

function healthOf(slots: readonly Slot[], pool: string): HealthTable | null {
  const tables = slots.find((slot) => slot.role === "health")?.handle?.report?.health;
  return tables?.find((table) => table.pool === pool) ?? null;
}

/** Memory of all workers together; the disk tier is one for all. */
function cacheFigures(slots: readonly Slot[]): { memory: TierStats | null; disk: TierStats | null } {
  const reports = slots.flatMap((slot) => slot.role === "serving" && slot.handle?.report ? [slot.handle.report] : []);
  const memories = reports.flatMap((report) => report.memory ?? []);
  const disks = reports.flatMap((report) => report.disk ?? []);
  return {
    memory: memories.length === 0 ? null : memories.reduce(addTiers),
    disk: disks.length === 0 ? null : disks.reduce(sameDisk),
  };
}

function addTiers(a: TierStats, b: TierStats): TierStats {
  return {
    ...addWrites(a, b),
    entries: a.entries + b.entries,
    bytes: a.bytes + b.bytes,
    limitBytes: a.limitBytes + b.limitBytes,
  };
}

/** Every worker sees the whole disk tier but only its own writes. */
function sameDisk(a: TierStats, b: TierStats): TierStats {
  return { ...addWrites(a, b), entries: Math.max(a.entries, b.entries), bytes: Math.max(a.bytes, b.bytes) };
}

function addWrites(a: TierStats, b: TierStats): TierStats {
  return {
    ...a,
    evictions: a.evictions + b.evictions,
    queuedWrites: a.queuedWrites + b.queuedWrites,
    droppedWrites: a.droppedWrites + b.droppedWrites,
    corrupt: a.corrupt + b.corrupt,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
