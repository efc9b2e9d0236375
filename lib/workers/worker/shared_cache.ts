import type { Engine, EngineFigures, EngineState } from "../../cluster/engine.ts";
import { openRedisEngine } from "../../cluster/redis_engine.ts";
import type { SharedCounts } from "../../cluster/shared_counts.ts";
import { type SharingDifference, SharingNotes } from "../../cluster/sharing_notes.ts";
import type { ClusterConfig } from "../../config/cluster.ts";
import type { Tenant } from "../../request/snapshot.ts";
import { SharedTier } from "../../cluster/shared_tier.ts";
import { systemClock } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../logging/logger.ts";
import { RareWarnings } from "../../logging/rare_warnings.ts";

/** The tier that gateways share, as one worker sees it. */
export interface SharedFigures {
  readonly counts: SharedCounts;
  readonly engine: EngineState;
  readonly figures: EngineFigures;
  /** Known to one worker of each gateway. */
  readonly differences: readonly SharingDifference[];
}

/** One worker's way to the tier that gateways share, and the connection under it. */
export class SharedCache {
  readonly tier: SharedTier;
  readonly #engine: Engine;
  readonly #cluster: ClusterConfig;
  #notes: SharingNotes | null = null;

  private constructor(tier: SharedTier, engine: Engine, cluster: ClusterConfig) {
    this.tier = tier;
    this.#engine = engine;
    this.#cluster = cluster;
  }

  /** Opens it without waiting for the engine; `null` where the configuration has none. */
  static open({ cluster, cache: { shared } }: Config, logger: Logger): SharedCache | null {
    if (cluster === null || shared === null) return null;
    const engine = openRedisEngine({ ...shared.engine, deadlineMs: shared.timeoutMs });
    const tier = new SharedTier({
      engine,
      cluster: cluster.name,
      secret: cluster.secret,
      encrypts: shared.encrypt,
      leases: cluster.share.includes("flights"),
      maxEntryBytes: shared.maxEntryBytes,
      timeoutMs: shared.timeoutMs,
      ttlMs: shared.ttlMs,
      clock: systemClock,
      warnings: new RareWarnings(logger),
    });
    return new SharedCache(tier, engine, cluster);
  }

  /** Compares from now on what the listeners here stand for with those of other gateways. */
  compare(instanceId: string, listeners: () => readonly Pick<Tenant, "name" | "sharing">[]): void {
    this.#notes = new SharingNotes({
      engine: this.#engine,
      cluster: this.#cluster.name,
      member: this.#cluster.member ?? instanceId,
      fingerprints: () =>
        new Map(
          listeners().flatMap(({ name, sharing }) => sharing === null ? [] : [[name, sharing.fingerprint]]),
        ),
    });
  }

  figures(): SharedFigures {
    return {
      counts: this.tier.counts,
      engine: this.#engine.state(),
      figures: this.#engine.figures(),
      differences: this.#notes?.differences ?? [],
    };
  }

  close(): void {
    this.#notes?.close();
    this.#engine.close();
  }
}
