import type { Config } from "../../config/config.ts";
import { type PurgeOrder, purgeScopes } from "../../gateway/purge_scopes.ts";
import { type Bus, type LinkedPurge, NOTHING_TO_PURGE } from "./bus.ts";
import type { PurgeOutcome } from "./purge_desk.ts";

/** Who purges. */
export interface LinkedPurgers {
  readonly bus: Bus;
  readonly config: Config;
  readonly operations: { purge(order: PurgeOrder, actor: string): Promise<PurgeOutcome> };
}

/** What is to be purged, who asks for it, and which gateways it came through. */
export interface LinkedOrder {
  readonly order: PurgeOrder;
  readonly actor: string;
  readonly via: readonly string[];
}

/**
 * Purges here and at the peers. Peers come first: what is fetched from them again would be what they still hold. An order that came
 * through here before ends.
 */
export async function purgeLinked(
  { bus, config, operations }: LinkedPurgers,
  { order, actor, via }: LinkedOrder,
): Promise<LinkedPurge> {
  if (bus.hasSeen(via)) return NOTHING_TO_PURGE;
  const isSound = purgeScopes(config, order).ok;
  const peers = isSound ? await bus.purge(order, via) : [];
  const outcome = await operations.purge(order, actor);
  return outcome.ok && peers.length > 0 ? { ...outcome, peers } : outcome;
}
