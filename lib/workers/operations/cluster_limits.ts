import { ClientRates, type ClientRatesState } from "../../cluster/client_rates.ts";
import type { Engine } from "../../cluster/engine.ts";
import type { ClusterConfig } from "../../config/cluster.ts";
import type { Config } from "../../config/config.ts";
import type { SharedLimits } from "../../gateway/limits.ts";
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
}

/** The secret by which gateways call a client the same; `null` where each counts for itself. */
export function limitsSecret({ cluster }: Pick<Config, "cluster">): string | null {
  return cluster !== null && cluster.share.includes("limits") ? cluster.secret : null;
}

/** Limits that hold over all gateways of a cluster together. */
export class ClusterLimits {
  readonly #clients: ClientRates<SpentClient> | null;

  constructor({ config, engine, member }: LimitedMember, limits: SharedLimits) {
    this.#clients = limitsSecret({ cluster: config }) === null ? null : new ClientRates({
      ...{ engine, member, name: config.name, membersBefore: 1 },
      clients: new ToldClients(limits.clients),
    });
  }

  state(): ClusterLimitsState {
    return { clients: this.#clients?.state() ?? null };
  }

  async close(): Promise<void> {
    await this.#clients?.close();
  }
}
