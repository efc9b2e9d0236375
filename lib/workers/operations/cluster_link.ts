import { InvalidationTable } from "../../cache/flights/invalidation_table.ts";
import { LEASE_BYTES } from "../../cache/flights/lease_table.ts";
import { openRedisEngine } from "../../cluster/redis_engine.ts";
import type { PurgeRule } from "../../cache/purge/purge_rules.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../logging/logger.ts";
import { Repeats } from "../../logging/repeats.ts";
import type { StateStore } from "../../state/state_store.ts";
import { ClusterPurges } from "./cluster_purges.ts";
import type { ChangedTargets } from "./cluster_rules.ts";
import type { PurgeLedger } from "./purge_ledger.ts";

/** What a gateway joins a cluster with. */
export interface ClusterLinkOptions {
  readonly config: () => Config;
  readonly instanceId: string;
  readonly fleet: {
    purge(rules: readonly PurgeRule[]): Promise<unknown>;
    forget(keys: readonly string[]): Promise<void>;
  };
  readonly ledger: PurgeLedger;
  readonly state: StateStore | null;
  /** Writes down that what has these tags was changed. */
  readonly recordWrite: (type: string, tags: readonly string[]) => Promise<void>;
  /** See `newLeaseMemory`. */
  readonly leaseMemory: SharedArrayBuffer;
  readonly logger: Logger;
}

/** Opens the engine of the configured cluster, and what goes over it; `null` where there is no cluster. */
export async function openCluster(options: ClusterLinkOptions): Promise<ClusterPurges | null> {
  const { cluster } = options.config();
  if (cluster === null) return null;
  const { instanceId, fleet, ledger, state, leaseMemory, logger } = options;
  const repeats = new Repeats({ logger });
  const engine = openRedisEngine({
    ...cluster.engine,
    onProblem: (problem) => repeats.warn("admin", "Trouble with the cluster's engine", problem, { problem }),
  });
  const invalidations = new InvalidationTable(leaseMemory, LEASE_BYTES);
  return await ClusterPurges.open({
    ...{ engine, cluster, instanceId, state, ledger, leaseMemory, logger },
    spread: (rules) => fleet.purge(rules),
    onChanged: (changed) => takeChange(changed, invalidations, options),
  });
}

/** An unsafe request at another gateway: what it changed is not served as it was from now on, by the clock of this one. */
async function takeChange(
  { keys, written }: ChangedTargets,
  invalidations: InvalidationTable,
  { recordWrite, fleet }: ClusterLinkOptions,
): Promise<void> {
  const nowMs = Date.now();
  for (const key of keys) invalidations.add(key, nowMs);
  for (const tag of written?.tags ?? []) invalidations.addTag(written!.type, tag, nowMs);
  if (written !== null) await recordWrite(written.type, written.tags);
  if (keys.length > 0) await fleet.forget(keys);
}
