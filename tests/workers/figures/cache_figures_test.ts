import assert from "node:assert/strict";
import { FORWARD_REASONS } from "../../../lib/forward_reason.ts";
import type { TierStats } from "../../../lib/cache/store.ts";
import { CACHE_RESULT_INDEX, newListenerCounts } from "../../../lib/metrics/gateway_metrics.ts";
import {
  cacheMetrics,
  changeFeedMetrics,
  diskProblem,
  listenerCache,
  purgeRules,
  shownChangeFeed,
  type StatisticsFacts,
  tierFigures,
} from "../../../lib/workers/figures/cache_figures.ts";
import { slotOf } from "../slots.ts";
import type { ChangeFeedStatus } from "../../../lib/workers/operations/change_feed.ts";

const MEMORY: TierStats = {
  entries: 2,
  bytes: 200,
  limitBytes: 1_000,
  evictions: 5,
  queuedWrites: 0,
  droppedWrites: 0,
  corrupt: 0,
  sparedReads: 0,
  emptyReads: 0,
};
const DISK: TierStats = {
  ...MEMORY,
  entries: 50,
  bytes: 5_000,
  limitBytes: 9_000,
  queuedWrites: 3,
  droppedWrites: 1,
  sparedReads: 2,
};
const HELD = { films: { memoryEntries: 2, memoryBytes: 200, diskBytes: 4_000 } };

const facts: StatisticsFacts = {
  slots: [
    slotOf("serving-0", { memory: MEMORY, disk: DISK, byListener: HELD, purgeRules: 3 }),
    slotOf("serving-1", {
      memory: { ...MEMORY, entries: 1, bytes: 50 },
      disk: { ...DISK, entries: 49, bytes: 5_100, corrupt: 2, sparedReads: 40, emptyReads: 1 },
      byListener: { films: { memoryEntries: 1, memoryBytes: 50, diskBytes: 4_100 } },
      purgeRules: 4,
      diskProblem: "writes fail",
    }),
    slotOf("serving-2", undefined),
    slotOf("serving-3", null),
    // It serves nothing: what it says of tiers is not theirs.
    slotOf("health", { memory: { ...MEMORY, entries: 1_000 }, diskProblem: "none of its business" }),
  ],
  listeners: ["films", "api"],
  diskQuotas: new Map([["films", 6_000]]),
  rates: (listener) => {
    return listener === "films"
      ? { perSecond: 3, lastMinute: 0.5, lastHour: 0, sinceStart: 0.25 }
      : { perSecond: 3, lastMinute: null, lastHour: null, sinceStart: null };
  },
  purges: { url: 2, all: 0 },
  prewarms: [],
  changes: [],
};

Deno.test("tierFigures() adds up memories, and takes the disk for the one that it is", () => {
  const { memory, disk } = tierFigures(facts.slots);
  assert.deepEqual(memory, { ...MEMORY, entries: 3, bytes: 250, limitBytes: 2_000, evictions: 10 });
  const shared = { entries: 50, bytes: 5_100, limitBytes: 9_000 };
  const summed = { evictions: 10, queuedWrites: 6, droppedWrites: 2, corrupt: 2, sparedReads: 42, emptyReads: 1 };
  assert.deepEqual(disk, { ...shared, ...summed });
});

Deno.test("tierFigures() is null for a tier that no worker has told of", () => {
  assert.deepEqual(tierFigures([slotOf("serving-0", null)]), { memory: null, disk: null });
  assert.deepEqual(tierFigures([slotOf("serving-0", { memory: MEMORY })]), { memory: MEMORY, disk: null });
});

Deno.test("diskProblem() and purgeRules() speak of the serving workers", () => {
  assert.equal(diskProblem(facts.slots), "writes fail");
  assert.equal(diskProblem([slotOf("serving-0", {})]), null);
  assert.equal(purgeRules(facts.slots), 4);
  assert.equal(purgeRules([]), 0);
});

Deno.test("listenerCache() tells results, rates, reasons and what is held", () => {
  const counts = newListenerCounts();
  counts.byCache[CACHE_RESULT_INDEX.hit_memory] = 7;
  counts.byReason[FORWARD_REASONS.indexOf("stale")] = 2;
  const shown = listenerCache("films", counts, facts) as Record<string, unknown>;
  assert.equal(shown["hit_memory"], 7);
  assert.equal(shown["miss"], 0);
  assert.deepEqual([shown["hit_rate"], shown["hit_rate_1m"], shown["hit_rate_1h"]], [0.25, 0.5, 0]);
  assert.equal((shown["forwarded"] as Record<string, number>)["stale"], 2);
  assert.deepEqual(shown["memory"], { entries: 3, bytes: 250 });
  assert.deepEqual(shown["disk"], { bytes: 4_100, quota_bytes: 6_000 });
});

Deno.test("listenerCache() tells of a listener that nobody asked, and of one called like what objects inherit", () => {
  for (const name of ["api", "constructor", "__proto__"]) {
    const shown = listenerCache(name, undefined, facts) as Record<string, unknown>;
    assert.deepEqual([shown["hit_memory"], shown["memory"], shown["disk"]], [0, { entries: 0, bytes: 0 }, {
      bytes: 0,
      quota_bytes: null,
    }]);
  }
});

Deno.test("cacheMetrics() labels by tier, listener, window and kind, and leaves out rates that nobody knows", () => {
  const metrics = new Map(cacheMetrics(facts).map((metric) => [metric.name, metric]));
  const values = (name: string) =>
    metrics.get(name)!.values.map(({ labels, value }) => [...Object.values(labels), value]);
  assert.deepEqual(values("usher_cache_bytes"), [["memory", 250], ["disk", 5_100]]);
  assert.deepEqual(values("usher_cache_disk_problem"), [[1]]);
  assert.deepEqual(values("usher_cache_spared_reads_total"), [["disk", 42]]);
  assert.deepEqual(values("usher_cache_empty_reads_total"), [["disk", 1]]);
  assert.deepEqual(values("usher_purges_total"), [["url", 2], ["all", 0]]);
  assert.equal(metrics.get("usher_purges_total")!.type, "counter");
  assert.deepEqual(values("usher_cache_hit_ratio"), [["films", "1m", 0.5], ["films", "1h", 0], [
    "films",
    "start",
    0.25,
  ]]);
  assert.deepEqual(values("usher_cache_listener_bytes"), [
    ["films", "memory", 250],
    ["films", "disk", 4_100],
    ["api", "memory", 0],
    ["api", "disk", 0],
  ]);
  assert.deepEqual(values("usher_cache_listener_quota_bytes"), [["films", "disk", 6_000]]);
  const quiet = cacheMetrics({ ...facts, slots: [slotOf("serving-0", { memory: MEMORY })] });
  const bytes = quiet.find(({ name }) => name === "usher_cache_bytes")!;
  assert.deepEqual(bytes.values, [{ labels: { tier: "memory" }, value: 200 }]);
});

const status: ChangeFeedStatus = {
  pool: "p",
  state: "waiting",
  intervalMs: 900_000,
  lastRunMs: 2_000,
  lastSuccessMs: 1_000,
  lastProblem: null,
  nextRunMs: null,
  last: { changed: 3, purged: 2, pages: 1 },
  total: { changed: 30, purged: 20, pages: 10, runs: 5, failures: 1 },
};

Deno.test("shownChangeFeed() tells times as text", () => {
  assert.deepEqual(shownChangeFeed(status), {
    pool: "p",
    state: "waiting",
    interval_ms: 900_000,
    last_run: "1970-01-01T00:00:02.000Z",
    last_success: "1970-01-01T00:00:01.000Z",
    last_problem: null,
    next_run: null,
    last: { changed: 3, purged: 2, pages: 1 },
    total: { changed: 30, purged: 20, pages: 10, runs: 5, failures: 1 },
  });
});

Deno.test("changeFeedMetrics() counts by pool, and tells no time that was not", () => {
  const fresh = { ...status, pool: "q", lastSuccessMs: null };
  const values = Object.fromEntries(
    changeFeedMetrics([status, fresh]).map(({ name, values }) => [
      name,
      values.map(({ labels, value }) => [labels["pool"], value]),
    ]),
  );
  assert.deepEqual(values, {
    usher_change_feed_runs_total: [["p", 5], ["q", 5]],
    usher_change_feed_failures_total: [["p", 1], ["q", 1]],
    usher_change_feed_pages_total: [["p", 10], ["q", 10]],
    usher_change_feed_changed_total: [["p", 30], ["q", 30]],
    usher_change_feed_purged_total: [["p", 20], ["q", 20]],
    usher_change_feed_last_success_time_seconds: [["p", 1]],
  });
});
