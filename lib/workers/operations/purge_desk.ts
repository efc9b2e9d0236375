import type { PurgeRule, PurgeScope } from "../../cache/purge/purge_rules.ts";
import { newPurge } from "../../cache/purge/purge_table.ts";
import type { Config } from "../../config/config.ts";
import { type PurgeOrder, purgeScopes } from "../../gateway/purge_scopes.ts";
import type { Logger } from "../../logging/logger.ts";
import type { FromWorker } from "../messages.ts";
import type { ClusterAnswer, ClusterPurges, PlacedPurge } from "./cluster_purges.ts";
import type { PurgeLedger } from "./purge_ledger.ts";

/** How rules came into the workers. */
export interface PurgeSpread {
  /** Serving workers that took them. */
  readonly workers: number;
  /** Responses that they name in the memory of the workers, each counted once; `null` where that was not asked, or is not cheap to know. */
  readonly named: number | null;
}

/** What workers answered to rules; `null` of one that did not. */
export function purgeSpread(answers: readonly (FromWorker | null)[]): PurgeSpread {
  const named = answers.flatMap((answer) => answer?.type === "purged" ? [answer.named] : []);
  const isKnown = named.every((numbers) => numbers !== null);
  return { workers: named.length, named: isKnown ? new Set(named.flat()).size : null };
}

/** Options of {@linkcode PurgeDesk}. */
export interface PurgeDeskOptions {
  readonly ledger: PurgeLedger;
  readonly logger: Logger;
  /** The other gateways of a cluster; `null` where there are none. */
  readonly cluster?: Pick<ClusterPurges, "place" | "notTold" | "tell"> | null;
  /** Brings rules into every serving worker. */
  readonly spread: (rules: readonly PurgeRule[], counts: boolean) => Promise<PurgeSpread>;
}

/** The outcome of a purge. */
export type PurgeOutcome =
  | {
    readonly ok: true;
    readonly soft: boolean;
    /** Listeners concerned; `null` is all of them. */
    readonly listeners: readonly string[] | null;
    /** Workers that serve by it from now on. */
    readonly workers: number;
    /** See {@linkcode PurgeSpread.named}. */
    readonly named: number | null;
    /** Whether it outlives this process. */
    readonly persisted: boolean;
    readonly durationMs: number;
    /** The other gateways of the cluster, where there is one. */
    readonly cluster?: ClusterAnswer;
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
    const { rules, placed } = await this.#place(plan.scopes, !order.hard);
    // Written down first: a worker that starts from now on has it from there.
    const persisted = await ledger.record(rules);
    const { workers, named } = await spread(rules, true).finally(() => placed?.settle());
    const cluster = placed === null ? this.#options.cluster?.notTold : await placed.answer();
    this.counts[order.by]++;
    const durationMs = Math.round((performance.now() - startedMs) * 10) / 10;
    const told = cluster === undefined ? {} : { cluster: cluster.state };
    logger.write({ ...audit, outcome: "done", workers, persisted, ms: durationMs, matched: named, ...told });
    const done = { ok: true, soft: !order.hard, listeners: listenersOf(rules), workers, named, persisted, durationMs };
    return { ...done, ok: true, ...cluster === undefined ? {} : { cluster } };
  }

  /** Rules over these, in their place among those of all gateways where there are others that can be told. */
  async #place(
    scopes: readonly PurgeScope[],
    soft: boolean,
  ): Promise<{ readonly rules: readonly PurgeRule[]; readonly placed: PlacedPurge | null }> {
    const { ledger, cluster } = this.#options;
    const drafts = scopes.map((scope) => ({ id: crypto.randomUUID(), scope, soft }));
    const placed = await cluster?.place(drafts) ?? null;
    const { nowMs: timeMs, position } = placed === null
      ? ledger.next()
      : { nowMs: ledger.momentMs, position: placed.position };
    return { rules: drafts.map((draft) => ({ ...draft, timeMs, position })), placed };
  }

  /** Marks stale what has one of the tags on these listeners: when it returns, no worker serves it as fresh. */
  async takeChanges(tags: readonly string[], listeners: readonly string[]): Promise<void> {
    if (tags.length === 0 || listeners.length === 0) return;
    const { ledger, logger, spread } = this.#options;
    const scopes = listeners.map((listener) => ({ kind: "tags" as const, listener, tags }));
    const { rules, placed } = await this.#place(scopes, true);
    const persisted = await ledger.record(rules);
    const { workers } = await spread(rules, false).finally(() => placed?.settle());
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

  /** Marks everything stale, since `actor` cannot tell what of it was purged. */
  async takeAll(actor: string): Promise<void> {
    const { ledger, logger, spread } = this.#options;
    const rules = [newPurge({ kind: "all", listener: null }, { soft: true, ...ledger.next() })];
    const persisted = await ledger.record(rules);
    const { workers } = await spread(rules, false);
    logger.write({ audit: "purge", actor, by: "all", hard: false, outcome: "done", workers, persisted });
  }

  /**
   * Writes down that a user has changed what has these tags, on the listeners of an upstream type: a worker that starts from now on does
   * not serve it as it was before. The others know already. One rule stands for all changes of a tag.
   */
  async recordWrite(upstreamType: string, tags: readonly string[], config: Config): Promise<void> {
    const pools = new Set(config.pools.filter(({ type }) => type === upstreamType).map(({ name }) => name));
    const listeners = config.listeners.filter(({ pool }) => pools.has(pool)).map(({ name }) => name);
    const { nowMs: timeMs, position } = this.#options.ledger.next();
    await this.#options.ledger.record(listeners.flatMap((listener) =>
      tags.map((tag): PurgeRule => ({
        id: `written ${listener} ${tag}`,
        scope: { kind: "tags", listener, tags: [tag] },
        soft: false,
        timeMs,
        position,
      }))
    ));
  }
}

function listenersOf(rules: readonly PurgeRule[]): readonly string[] | null {
  const names = rules.map(({ scope }) => scope.listener);
  return names.includes(null) ? null : [...new Set(names as string[])];
}
