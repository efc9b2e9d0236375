import { ClientRates, type ClientRatesState } from "../../cluster/client_rates.ts";
import type { Engine } from "../../cluster/engine.ts";
import { RateShares, type RateSharesState, type SharedRatePart } from "../../cluster/rate_shares.ts";
import type { ClusterConfig } from "../../config/cluster.ts";
import type { Config } from "../../config/config.ts";
import { LimitMemory } from "../../gateway/limit_memory.ts";
import type { SharedLimits } from "../../gateway/limits.ts";
import type { RateShare } from "../../rate_share.ts";
import { type SpentClient, ToldClients } from "../../request/client_table.ts";

/** A gateway of a cluster. */
export interface LimitedMember {
  readonly config: ClusterConfig;
  readonly engine: Engine;
  /** Its name. */
  readonly member: string;
}

/** How the limits of a cluster stand. */
export interface ClusterLimitsState {
  /** `null` where gateways count clients each for itself. */
  readonly clients: ClientRatesState | null;
  /** `null` where each keeps the rates of its keys and upstreams for itself. */
  readonly shares: RateSharesState | null;
}

/** The secret by which gateways call a client the same; `null` where each counts for itself. */
export function limitsSecret({ cluster }: Pick<Config, "cluster">): string | null {
  return cluster !== null && cluster.share.includes("limits") ? cluster.secret : null;
}

/** Whether gateways keep the rates of keys and upstreams together. */
export function sharesKeys({ cluster }: Pick<Config, "cluster">): boolean {
  return cluster !== null && cluster.share.includes("keys");
}

function partOf(id: string, share: RateShare): SharedRatePart {
  const { asked: max, wanted, granted } = share;
  return { id, max, wanted, granted, grant: (part) => share.grant(part) };
}

/** Limits that hold over all gateways of a cluster together. */
export class ClusterLimits {
  readonly #clients: ClientRates<SpentClient> | null;
  readonly #shares: RateShares | null;

  constructor({ config, engine, member }: LimitedMember, limits: SharedLimits) {
    this.#clients = limitsSecret({ cluster: config }) === null ? null : new ClientRates({
      ...{ engine, member, name: config.name, membersBefore: 1 },
      clients: new ToldClients(limits.clients),
    });
    const memory = new LimitMemory(limits.limits, limits.workers);
    this.#shares = !sharesKeys({ cluster: config }) ? null : new RateShares({
      ...{ engine, member, name: config.name },
      rates: () => memory.shares().map(({ id, share }) => partOf(id, share)),
    });
  }

  state(): ClusterLimitsState {
    return { clients: this.#clients?.state() ?? null, shares: this.#shares?.state() ?? null };
  }

  async close(): Promise<void> {
    await Promise.all([this.#clients?.close(), this.#shares?.close()]);
  }
}
