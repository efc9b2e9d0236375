import { InvalidationTable } from "../../cache/flights/invalidation_table.ts";
import { LEASE_BYTES } from "../../cache/flights/lease_table.ts";
import type { PurgeRule } from "../../cache/purge/purge_rules.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";
import type { ClusterLink } from "./cluster_link.ts";
import { ClusterPurges } from "./cluster_purges.ts";
import type { ChangedTargets } from "./cluster_rules.ts";
import type { PurgeLedger } from "./purge_ledger.ts";

/** What a gateway takes part in the purges of a cluster with. */
export interface ClusterPurgesParts {
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

/** Opens what a cluster's purges go over; `null` where there is no cluster. */
export async function openClusterPurges(
  link: ClusterLink | null,
  parts: ClusterPurgesParts,
): Promise<ClusterPurges | null> {
  if (link === null) return null;
  const { fleet, ledger, state, leaseMemory, logger } = parts;
  const invalidations = new InvalidationTable(leaseMemory, LEASE_BYTES);
  const purges = await ClusterPurges.open({
    ...{ link, state, ledger, leaseMemory, logger },
    spread: (rules) => fleet.purge(rules),
    onChanged: (changed) => takeChange(changed, invalidations, parts),
  });
  link.bus = () => purges.sight();
  return purges;
}

/** An unsafe request at another gateway: what it changed is not served as it was from now on, by the clock of this one. */
async function takeChange(
  { keys, written }: ChangedTargets,
  invalidations: InvalidationTable,
  { recordWrite, fleet }: ClusterPurgesParts,
): Promise<void> {
  const nowMs = Date.now();
  for (const key of keys) invalidations.add(key, nowMs);
  for (const tag of written?.tags ?? []) invalidations.addTag(written!.type, tag, nowMs);
  if (written !== null) await recordWrite(written.type, written.tags);
  if (keys.length > 0) await fleet.forget(keys);
}
