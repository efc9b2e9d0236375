import assert from "node:assert/strict";
import type { ChangeFeedStatus } from "../../../lib/workers/operations/change_feed.ts";
import { changeFeedMetrics, shownChangeFeed } from "../../../lib/workers/figures/change_feed_figures.ts";

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
