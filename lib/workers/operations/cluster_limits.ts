import { ClientRates, type ClientRatesState } from "../../cluster/client_rates.ts";
import type { Config } from "../../config/config.ts";
import type { SharedLimits } from "../../gateway/limits.ts";
import { type SpentClient, ToldClients } from "../../request/client_table.ts";
import type { ClusterLink } from "./cluster_link.ts";

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

  constructor(link: ClusterLink, limits: SharedLimits) {
    const { config, engine, member } = link;
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
