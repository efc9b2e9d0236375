import type { Metric, Sample } from "../../metrics/exposition.ts";
import type { ChangeFeedStatus } from "../operations/change_feed.ts";

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
  const counter = (name: string, help: string, of: (feed: ChangeFeedStatus) => number): Metric => ({
    ...{ name, help, type: "counter" },
    values: each(of),
  });
  return [
    counter("usher_change_feed_runs_total", "Look-ups of what has changed", ({ total }) => total.runs),
    counter("usher_change_feed_failures_total", "Look-ups that came to no end", ({ total }) => total.failures),
    counter("usher_change_feed_pages_total", "Pages of lists of changes read", ({ total }) => total.pages),
    counter("usher_change_feed_changed_total", "Titles and people listed as changed", ({ total }) => total.changed),
    counter("usher_change_feed_purged_total", "Tags marked stale because of that", ({ total }) => total.purged),
    {
      name: "usher_change_feed_last_success_time_seconds",
      help: "When a look-up last came to its end",
      type: "gauge",
      values: each(({ lastSuccessMs }) => lastSuccessMs === null ? null : lastSuccessMs / 1000),
    },
  ];
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
