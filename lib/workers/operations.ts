import { openKvFile, type PreparedKvFile } from "../cache/kv_open.ts";
import type { PurgeRule } from "../cache/purge_rules.ts";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { PurgeOrder } from "../gateway/purge_scopes.ts";
import type { Logger } from "../logging/logger.ts";
import type { WorkerCounts } from "../metrics/gateway_metrics.ts";
import type { StatisticsFacts } from "./cache_statistics.ts";
import { HitHistory } from "./hit_history.ts";
import type { PrewarmResult } from "./messages.ts";
import { type PrewarmAnswer, Prewarmer, type PrewarmOrder } from "./prewarmer.ts";
import { PurgeDesk, type PurgeOutcome } from "./purge_desk.ts";
import { PurgeLedger } from "./purge_ledger.ts";

/** What operations need of the fleet. */
export interface OperatedFleet {
  purge(rules: readonly PurgeRule[]): Promise<number>;
  prewarm(listener: string, url: string): Promise<PrewarmResult>;
  counts(): WorkerCounts;
}

/** What operations are made of. */
export interface OperationsOptions {
  readonly kvFile: PreparedKvFile;
  readonly logger: Logger;
  readonly config: () => Config;
  readonly fleet: OperatedFleet;
}

/** How often what was counted is noted for the hit rates; the workers report as often. */
const RECORD_EVERY_MS = 1_000;

/** What operators do with the cache of a running gateway, and what the supervisor remembers for it. */
export class Operations {
  readonly prewarmer: Prewarmer;
  readonly #fleet: OperatedFleet;
  readonly #config: () => Config;
  readonly #kv: Deno.Kv | null;
  readonly #ledger: PurgeLedger;
  readonly #desk: PurgeDesk;
  readonly #history = new HitHistory();
  #recorder: ReturnType<typeof setInterval> | undefined;

  private constructor({ fleet, config, logger }: OperationsOptions, kv: Deno.Kv | null, ledger: PurgeLedger) {
    this.#fleet = fleet;
    this.#config = config;
    this.#kv = kv;
    this.#ledger = ledger;
    this.#desk = new PurgeDesk({ ledger, logger, spread: (rules) => fleet.purge(rules) });
    this.prewarmer = new Prewarmer({
      ...{ kv, logger, config },
      fetch: (listener, url) => fleet.prewarm(listener, url),
    });
  }

  /** Opens KV and reads what was written down; before the first worker starts. */
  static async open(options: OperationsOptions): Promise<Operations> {
    const { kvFile: { path }, logger } = options;
    const kv = path === null ? null : await openKvFile(path, { clock: systemClock, log: logger });
    return new Operations(options, kv, await PurgeLedger.open(kv, logger));
  }

  /** The purges in force, for a worker that starts. */
  get purges(): readonly PurgeRule[] {
    return this.#ledger.rules;
  }

  /** Begins what goes on by itself, when the workers are up. */
  begin(): void {
    this.#recorder = setInterval(() => this.#history.record(this.#fleet.counts(), Date.now()), RECORD_EVERY_MS);
    void this.prewarmer.start();
  }

  /** See {@linkcode PurgeDesk.take}. */
  purge(order: PurgeOrder, actor: string): Promise<PurgeOutcome> {
    return this.#desk.take(order, this.#config(), actor);
  }

  /** See {@linkcode Prewarmer.begin}. */
  prewarm(order: PrewarmOrder, actor: string): Promise<PrewarmAnswer> {
    return this.prewarmer.begin(order, actor);
  }

  /** The part of the statistics that is remembered here, up to now. */
  statistics(): Pick<StatisticsFacts, "rates" | "purges" | "prewarms"> {
    this.#history.record(this.#fleet.counts(), Date.now());
    return {
      rates: (listener) => this.#history.rates(listener),
      purges: this.#desk.counts,
      prewarms: this.prewarmer.status(),
    };
  }

  /** Begins nothing more; what is on its way ends with the workers, so wait for this after them. */
  async close(): Promise<void> {
    clearInterval(this.#recorder);
    await this.prewarmer.close();
  }

  /** Lets go of KV. */
  release(): void {
    this.#kv?.close();
  }
}
