import type { BusSight } from "../../cluster/bus_listener.ts";
import type { Engine, EngineState } from "../../cluster/engine.ts";
import { engineLabel } from "../../cluster/engine_options.ts";
import { openRedisEngine } from "../../cluster/redis_engine.ts";
import type { ClusterConfig } from "../../config/cluster.ts";
import type { Config } from "../../config/config.ts";
import type { SharedLimits } from "../../gateway/limits.ts";
import type { Logger } from "../../logging/logger.ts";
import { RareWarnings } from "../../logging/rare_warnings.ts";
import { ClusterLeaders } from "./cluster_leaders.ts";
import { ClusterLimits } from "./cluster_limits.ts";

/** So long a start waits for the engine; then the gateway begins alone. */
export const START_WAIT_MS = 2_000;

/** The supervisor's way to the cluster's engine, which purges, rates and leaders go over. */
export class ClusterLink {
  readonly engine: Engine;
  readonly config: ClusterConfig;
  /** Name of this gateway among the members. */
  readonly member: string;
  /** Of what goes over the link: one line of a kind a minute. */
  readonly warnings: RareWarnings;
  readonly limits: ClusterLimits;
  /** How purges go over it; `null` until they do. */
  bus: (() => BusSight) | null = null;
  readonly leaders: ClusterLeaders;
  readonly #logger: Logger;

  private constructor(config: ClusterConfig, limits: SharedLimits, logger: Logger) {
    this.config = config;
    this.member = config.member ?? `gateway-${crypto.randomUUID().slice(0, 13)}`;
    this.#logger = logger;
    this.warnings = new RareWarnings(logger);
    const at = engineLabel(config.engine);
    this.engine = openRedisEngine({
      ...config.engine,
      onProblem: (problem) =>
        this.warnings.warn("engine", "The cluster's engine cannot be used", { engine: at, problem }),
    });
    this.limits = new ClusterLimits(this, limits);
    this.leaders = new ClusterLeaders(this);
    let before: EngineState["connection"] = "connecting";
    this.engine.watch(({ connection }) => {
      if (connection === before) return;
      before = connection;
      if (connection === "ready") logger.info("Connected to the cluster's engine", { engine: at, member: this.member });
    });
  }

  /** Opens it without waiting; `null` where there is no cluster. */
  static open({ cluster }: Pick<Config, "cluster">, limits: SharedLimits, logger: Logger): ClusterLink | null {
    return cluster === null ? null : new ClusterLink(cluster, limits, logger);
  }

  /** Waits for the engine as long as a start may. */
  async begin(): Promise<void> {
    if (await this.engine.ready(START_WAIT_MS)) return;
    this.#logger.warn("The cluster's engine is not there yet: this gateway begins alone", {
      engine: engineLabel(this.config.engine),
      problem: this.engine.state().problem ?? undefined,
    });
  }

  /** Tells the other gateways, and ends the connection. */
  async close(): Promise<void> {
    await Promise.all([this.limits.close(), this.leaders.close()]);
    this.engine.close();
  }
}
