import type { PurgeRule } from "../cache/purge_rules.ts";
import { newPurge } from "../cache/purge_table.ts";
import type { Config } from "../config/config.ts";
import { type PurgeOrder, purgeScopes } from "../gateway/purge_scopes.ts";
import type { Logger } from "../logging/logger.ts";
import type { PurgeLedger } from "./purge_ledger.ts";

/** What a purge needs of the rest. */
export interface PurgeDeskOptions {
  readonly ledger: PurgeLedger;
  readonly logger: Logger;
  /** Brings rules into every serving worker; answers how many took them. */
  readonly spread: (rules: readonly PurgeRule[]) => Promise<number>;
}

/** What came of a purge. */
export type PurgeOutcome =
  | {
    readonly ok: true;
    readonly soft: boolean;
    /** Listeners concerned; `null` is all of them. */
    readonly listeners: readonly string[] | null;
    /** Workers that serve by it from now on. */
    readonly workers: number;
    /** Whether it outlives this process. */
    readonly persisted: boolean;
    readonly durationMs: number;
  }
  | { readonly ok: false; readonly problem: string };

/** Where purges are taken: written down, brought into all workers, and noted with who asked. */
export class PurgeDesk {
  readonly #options: PurgeDeskOptions;
  /** By kind of order, for the metrics; `changes` are tags that a change feed brought. */
  readonly counts: Record<PurgeOrder["by"] | "changes", number> = {
    ...{ url: 0, prefix: 0, glob: 0, tag: 0, all: 0 },
    changes: 0,
  };

  constructor(options: PurgeDeskOptions) {
    this.#options = options;
  }

  /** Purges; when it returns, no worker serves what was purged as fresh, or at all where the order is hard. */
  async take(order: PurgeOrder, config: Config, actor: string): Promise<PurgeOutcome> {
    const { ledger, logger, spread } = this.#options;
    const startedMs = performance.now();
    const plan = purgeScopes(config, order);
    const audit = {
      audit: "purge",
      actor,
      by: order.by,
      value: order.value,
      listener: order.listener,
      hard: order.hard,
    };
    if (!plan.ok) {
      logger.write({ ...audit, outcome: plan.problem });
      return { ok: false, problem: plan.problem };
    }
    const nowMs = Date.now();
    const rules = plan.scopes.map((scope) => newPurge(scope, { soft: !order.hard, nowMs }));
    // Written down first: a worker that starts from now on has it from there.
    const persisted = await ledger.record(rules);
    const workers = await spread(rules);
    this.counts[order.by]++;
    const durationMs = Math.round((performance.now() - startedMs) * 10) / 10;
    logger.write({ ...audit, outcome: "done", workers, persisted, ms: durationMs });
    return { ok: true, soft: !order.hard, listeners: listenersOf(rules), workers, persisted, durationMs };
  }

  /** Marks stale what has one of the tags on these listeners: when it returns, no worker serves it as fresh. */
  async takeChanges(tags: readonly string[], listeners: readonly string[]): Promise<void> {
    if (tags.length === 0 || listeners.length === 0) return;
    const { ledger, logger, spread } = this.#options;
    const nowMs = Date.now();
    const rules = listeners.map((listener) => newPurge({ kind: "tags", listener, tags }, { soft: true, nowMs }));
    const persisted = await ledger.record(rules);
    const workers = await spread(rules);
    this.counts.changes += tags.length;
    logger.write({
      audit: "purge",
      actor: "change feed",
      by: "tags",
      count: tags.length,
      listeners: listeners.join(),
      workers,
      persisted,
    });
  }
}

function listenersOf(rules: readonly PurgeRule[]): readonly string[] | null {
  const names = rules.map(({ scope }) => scope.listener);
  return names.includes(null) ? null : [...new Set(names as string[])];
}
