import { FORWARD_REASONS } from "../../forward_reason.ts";
import type { TierStats } from "../../cache/store.ts";
import { counter, gauge, type Metric, type Sample } from "../../metrics/exposition.ts";
import { CACHE_RESULTS, type ListenerCounts, newListenerCounts } from "../../metrics/gateway_metrics.ts";
import type { ChangeFeedStatus } from "../operations/change_feed.ts";
import type { Slot } from "../supervisor/slot.ts";
import type { ListenerHolding, WorkerReport } from "../messages.ts";
import type { PrewarmStatus } from "../operations/prewarmer.ts";
import type { HitRates } from "./hit_history.ts";
import type { TierCounts } from "./lasting_counts.ts";

/** What the cache figures are computed from. */
export interface StatisticsFacts {
  readonly slots: readonly Slot[];
  readonly listeners: readonly string[];
  /** Bytes that a listener may hold on disk, where the configuration says so. */
  readonly diskQuotas: ReadonlyMap<string, number>;
  /** Of a listener, or of all for `null`. */
  readonly rates: (listener: string | null) => HitRates;
  /** Purges since the start, by kind. */
  readonly purges: Readonly<Record<string, number>>;
  /** The last prewarm of each listener. */
  readonly prewarms: readonly PrewarmStatus[];
  /** How each pool's change feed stands. */
  readonly changes: readonly ChangeFeedStatus[];
}

/** Memory of all workers together; the disk tier is one for all. What only grows is counted since the start of the process. */
export function tierFigures(slots: readonly Slot[]): {
  readonly memory: TierStats | null;
  readonly disk: TierStats | null;
} {
  const reports = servingReports(slots);
  const memories = reports.flatMap((report) => report.memory ?? []);
  const disks = reports.flatMap((report) => report.disk ?? []);
  const retired = slots.map((slot) => slot.retired);
  return {
    memory: memories.length === 0 ? null : withRetired(memories.reduce(addTiers), retired.map(({ memory }) => memory)),
    disk: disks.length === 0 ? null : withRetired(disks.reduce(sameDisk), retired.map(({ disk }) => disk)),
  };
}

/** Why the disk tier does not work as it should, as the first worker that notices says it; `null` where it does. */
export function diskProblem(slots: readonly Slot[]): string | null {
  return servingReports(slots).find((report) => report.diskProblem !== null)?.diskProblem ?? null;
}

/** Rules that look-ups are held against. */
export function purgeRules(slots: readonly Slot[]): number {
  return Math.max(0, ...servingReports(slots).map((report) => report.purgeRules));
}

/** How the cache served one listener, as `/status` shows it. */
export function listenerCache(name: string, counts: ListenerCounts | undefined, facts: StatisticsFacts) {
  const { byCache, byReason } = counts ?? newListenerCounts();
  const { lastMinute, lastHour, sinceStart } = facts.rates(name);
  const held = holdingOf(name, facts.slots);
  return {
    ...Object.fromEntries(CACHE_RESULTS.map((result, index) => [result, byCache[index]!])),
    hit_rate: sinceStart,
    hit_rate_1m: lastMinute,
    hit_rate_1h: lastHour,
    forwarded: Object.fromEntries(FORWARD_REASONS.map((reason, index) => [reason, byReason[index]!])),
    memory: { entries: held.memoryEntries, bytes: held.memoryBytes },
    disk: { bytes: held.diskBytes, quota_bytes: facts.diskQuotas.get(name) ?? null },
  };
}

/** Gauges and counters of the cache; the labels are listeners of the configuration and words of ours, so they are bounded. */
export function cacheMetrics(facts: StatisticsFacts): Metric[] {
  const { memory, disk } = tierFigures(facts.slots);
  const tiers = [["memory", memory], ["disk", disk]] as const;
  const samples = (of: (stats: TierStats) => number): Sample[] =>
    tiers.flatMap(([tier, stats]) => stats === null ? [] : [{ labels: { tier }, value: of(stats) }]);
  type Figure = (name: string, help: string, of: (stats: TierStats) => number) => Metric;
  const perTier: Figure = (name, help, of) => gauge(name, help, samples(of));
  const countPerTier: Figure = (name, help, of) => counter(name, help, samples(of));
  return [
    perTier("usher_cache_bytes", "Bytes held", (stats) => stats.bytes),
    perTier("usher_cache_entries", "Responses held", (stats) => stats.entries),
    perTier("usher_cache_limit_bytes", "Bytes that may be held", (stats) => stats.limitBytes),
    countPerTier("usher_cache_evictions_total", "Responses evicted for room", (stats) => stats.evictions),
    perTier("usher_cache_queued_writes", "Writes waiting", (stats) => stats.queuedWrites),
    countPerTier(
      "usher_cache_dropped_writes_total",
      "Writes not made since too many waited or the disk is low",
      (stats) => stats.droppedWrites,
    ),
    countPerTier("usher_cache_corrupt_entries_total", "Torn entries that were removed", (stats) => stats.corrupt),
    ...readMetrics(disk),
    gauge("usher_cache_disk_problem", "1 while the disk tier does not work as it should", [
      { labels: {}, value: diskProblem(facts.slots) === null ? 0 : 1 },
    ]),
    gauge("usher_purge_rules", "Purge rules that look-ups are held against", [
      { labels: {}, value: purgeRules(facts.slots) },
    ]),
    counter(
      "usher_purges_total",
      "Purges by kind",
      Object.entries(facts.purges).map(([kind, value]) => ({ labels: { kind }, value })),
    ),
    gauge(
      "usher_prewarm_paths",
      "Paths of the last prewarm by listener and outcome; `waiting` are still to come",
      facts.prewarms.flatMap(prewarmSamples),
    ),
    ...changeFeedMetrics(facts.changes),
    ...listenerMetrics(facts),
  ];
}

/** How well the filter of what the disk may hold does its work. */
function readMetrics(disk: TierStats | null): Metric[] {
  if (disk === null) return [];
  const labels = { tier: "disk" };
  return [
    counter("usher_cache_spared_reads_total", "Look-ups of what is not there that needed no read", [
      { labels, value: disk.sparedReads },
    ]),
    counter("usher_cache_empty_reads_total", "Look-ups that read and found nothing", [
      { labels, value: disk.emptyReads },
    ]),
  ];
}

function listenerMetrics({ listeners, diskQuotas, rates, slots }: StatisticsFacts): Metric[] {
  const ratios = listeners.flatMap((listener): Sample[] => {
    const { lastMinute, lastHour, sinceStart } = rates(listener);
    const windows = [["1m", lastMinute], ["1h", lastHour], ["start", sinceStart]] as const;
    return windows.flatMap(([window, value]) => value === null ? [] : [{ labels: { listener, window }, value }]);
  });
  const held = listeners.map((listener) => ({ listener, ...holdingOf(listener, slots) }));
  return [
    gauge("usher_cache_hit_ratio", "Part of the requests that the cache answered, by window", ratios),
    gauge(
      "usher_cache_listener_bytes",
      "Bytes held by a listener",
      held.flatMap(({ listener, memoryBytes, diskBytes }) => [
        { labels: { listener, tier: "memory" }, value: memoryBytes },
        { labels: { listener, tier: "disk" }, value: diskBytes },
      ]),
    ),
    gauge(
      "usher_cache_listener_quota_bytes",
      "Bytes that a listener may hold on disk, where that is limited",
      [...diskQuotas].map(([listener, value]) => ({ labels: { listener, tier: "disk" }, value })),
    ),
    gauge(
      "usher_cache_listener_entries",
      "Responses held by a listener in memory",
      held.map(({ listener, memoryEntries }) => ({ labels: { listener, tier: "memory" }, value: memoryEntries })),
    ),
  ];
}

function prewarmSamples({ listener, total, fetched, fresh, skipped, failed }: PrewarmStatus): Sample[] {
  const waiting = Math.max(0, total - fetched - fresh - skipped - failed);
  return Object.entries({ fetched, fresh, skipped, failed, waiting }).map(([outcome, value]) => ({
    labels: { listener, outcome },
    value,
  }));
}

/** What a listener holds: in all workers' memories, and on the disk that they share. */
function holdingOf(listener: string, slots: readonly Slot[]): ListenerHolding {
  const sum = { memoryEntries: 0, memoryBytes: 0, diskBytes: 0 };
  for (const { byListener } of servingReports(slots)) {
    const held = Object.hasOwn(byListener, listener) ? byListener[listener] : undefined;
    if (held === undefined) continue;
    sum.memoryEntries += held.memoryEntries;
    sum.memoryBytes += held.memoryBytes;
    sum.diskBytes = Math.max(sum.diskBytes, held.diskBytes);
  }
  return sum;
}

function servingReports(slots: readonly Slot[]): readonly WorkerReport[] {
  return slots.flatMap((slot) => slot.role === "serving" && slot.handle?.report ? [slot.handle.report] : []);
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
  return { ...withRetired(a, [b]), queuedWrites: a.queuedWrites + b.queuedWrites };
}

/** A tier with what others have counted of it. */
function withRetired(stats: TierStats, others: readonly TierCounts[]): TierStats {
  const total = (of: (counts: TierCounts) => number) => others.reduce((sum, one) => sum + of(one), of(stats));
  return {
    ...stats,
    evictions: total(({ evictions }) => evictions),
    droppedWrites: total(({ droppedWrites }) => droppedWrites),
    corrupt: total(({ corrupt }) => corrupt),
    sparedReads: total(({ sparedReads }) => sparedReads),
    emptyReads: total(({ emptyReads }) => emptyReads),
  };
}

/** How a pool's change feed stands, as `/status` and `/change-feed` show it. */
export function shownChangeFeed(status: ChangeFeedStatus): Readonly<Record<string, unknown>> {
  return {
    pool: status.pool,
    state: status.state,
    interval_ms: status.intervalMs,
    last_run: timeOf(status.lastRunMs),
    last_success: timeOf(status.lastSuccessMs),
    last_problem: status.lastProblem,
    next_run: timeOf(status.nextRunMs),
    last: status.last,
    total: status.total,
  };
}

/** Counters and gauges of change feeds; the labels are pools of the configuration. */
export function changeFeedMetrics(feeds: readonly ChangeFeedStatus[]): Metric[] {
  const each = (of: (feed: ChangeFeedStatus) => number | null): Sample[] =>
    feeds.flatMap((feed) => {
      const value = of(feed);
      return value === null ? [] : [{ labels: { pool: feed.pool }, value }];
    });
  return [
    counter("usher_change_feed_runs_total", "Look-ups of what has changed", each(({ total }) => total.runs)),
    counter("usher_change_feed_failures_total", "Look-ups that came to no end", each(({ total }) => total.failures)),
    counter("usher_change_feed_pages_total", "Pages of lists of changes read", each(({ total }) => total.pages)),
    counter(
      "usher_change_feed_changed_total",
      "Titles and people listed as changed",
      each(({ total }) => total.changed),
    ),
    counter("usher_change_feed_purged_total", "Tags marked stale because of that", each(({ total }) => total.purged)),
    gauge(
      "usher_change_feed_last_success_time_seconds",
      "When a look-up last came to its end",
      each(({ lastSuccessMs }) => lastSuccessMs === null ? null : lastSuccessMs / 1000),
    ),
  ];
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
