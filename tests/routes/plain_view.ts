import { createLogger } from "../../lib/logging/logger.ts";
import { ProblemBook } from "../../lib/logging/problem_book.ts";
import type { AdminView } from "../../routes/api/admin_view.ts";
import type { Config, FileValues } from "../../lib/config/config.ts";
import type { Status } from "../../lib/workers/figures/status.ts";
import { Sight } from "../../lib/workers/operations/sight.ts";
import { LogLevelKeeper } from "../../lib/workers/supervisor/log_level.ts";

/** A supervisor's view that answers what it is told to, and keeps what it was asked. */
export interface PlainView extends AdminView {
  readonly asked: string[];
}

/** A view of a gateway that is ready and has nothing to say. */
export function plainView(over: Partial<AdminView> = {}): PlainView {
  const asked: string[] = [];
  const logger = createLogger({ level: "info", format: "json", sink: (line) => asked.push(line), now: () => 0 });
  return {
    asked,
    tokens: [],
    key: "key-of-the-process",
    config: {} as Config,
    logger,
    sight: new Sight({ ask: () => Promise.resolve([]), problems: new ProblemBook(10) }),
    logLevels: new LogLevelKeeper(logger, () => Promise.resolve()),
    readiness: () => "ready",
    usage: () => Promise.resolve([]),
    handOver: () => Promise.resolve({ graceMs: 30_000 }),
    status: () => Promise.resolve({ version: "0.0.0" } as Status),
    metrics: (format) => Promise.resolve(format === "openmetrics" ? "# EOF\n" : "# HELP x X\n"),
    reload: (actor) => {
      asked.push(`reload by ${actor}`);
      return Promise.resolve({ ok: true, generation: 2, changes: ["a"], needsRestart: [] });
    },
    tryReload: () => Promise.resolve({ ok: true, generation: 1, changes: ["a"], needsRestart: ["b"] }),
    configInForce: () => ({
      ...{ file: "config.yaml", generation: 1, loadedAtMs: 0, lastReload: null },
      values: {} as FileValues,
      placeOf: () => ({ file: "config.yaml", line: 1, column: 1, path: "" }),
    }),
    requestStop: (actor) => {
      asked.push(`stop by ${actor}`);
      return { graceMs: 30_000, delayMs: 0 };
    },
    purging: {
      purge: (order, actor) => {
        asked.push(`purge ${order.by} ${order.value} of ${order.listener} hard=${order.hard} by ${actor}`);
        const { listener } = order;
        const listeners = listener === null ? null : [listener];
        const counted = { workers: 2, named: 4 };
        return Promise.resolve({ ok: true, soft: !order.hard, listeners, ...counted, persisted: true, durationMs: 3 });
      },
      since: () => ({ gateway: "usher-1", book: "b", newest: 0, isWhole: true, isMore: false, orders: [] }),
    },
    drain: (pool, upstream, actor) => {
      asked.push(`drain ${upstream} of ${pool} by ${actor}`);
      const drain = { pool, upstream, sinceMs: 0, by: actor };
      return Promise.resolve({ ok: true, pool, upstream, drain, workers: 2, left: 1, isPersisted: true });
    },
    undrain: (pool, upstream, actor) => {
      asked.push(`undrain ${upstream} of ${pool} by ${actor}`);
      return Promise.resolve({ ok: true, pool, upstream, drain: null, workers: 2, left: 2, isPersisted: true });
    },
    lookUp: () => Promise.resolve([]),
    check: (pool, upstream, actor) => {
      asked.push(`check ${upstream} of ${pool} by ${actor}`);
      return Promise.resolve({ ok: true, pool, upstream, isWell: true, ms: 3, detail: "" });
    },
    prewarm: (order, actor) => {
      asked.push(`prewarm ${order.listener} ${order.targets?.join(" ") ?? "as configured"} by ${actor}`);
      return Promise.resolve({ ok: true, total: order.targets?.length ?? 5 });
    },
    stopPrewarm: (listener, actor) => {
      asked.push(`stop prewarm ${listener} by ${actor}`);
      return Promise.resolve(true);
    },
    prewarms: () => [],
    pollChanges: (pool, actor) => {
      asked.push(`poll changes of ${pool} by ${actor}`);
      return true;
    },
    changeFeeds: () => [],
    live: { history: () => ({ interval_ms: 5_000, samples: [] }), open: () => null } as unknown as AdminView["live"],
    fault: (worker, fault) => {
      asked.push(`${fault} in ${worker}`);
      return true;
    },
    ...over,
  };
}
