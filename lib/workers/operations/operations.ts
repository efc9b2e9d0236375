import type { ClientName } from "../../clients/client_requests.ts";
import { openKvFile } from "../../cache/disk/kv_open.ts";
import type { PurgeRule } from "../../cache/purge/purge_rules.ts";
import { systemClock } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../logging/logger.ts";
import type { SharedLimits } from "../../gateway/limits.ts";
import type { WorkerCounts } from "../../metrics/gateway_metrics.ts";
import type { StatisticsFacts } from "../figures/cache_figures.ts";
import { ChangeFeed } from "./change_feed.ts";
import { HitHistory } from "../figures/hit_history.ts";
import { RequestHistory } from "../figures/request_history.ts";
import { KnownTags } from "./known_tags.ts";
import { KvStateStore } from "../../state/kv_state_store.ts";
import { LateStateStore } from "../../state/late_state_store.ts";
import type { PrewarmResult, ReadResult } from "../messages.ts";
import type { Bus } from "./bus.ts";
import { ClusterLink } from "./cluster_link.ts";
import type { ClusterPurges } from "./cluster_purges.ts";
import type { ChangedTargets } from "./cluster_rules.ts";
import { LinkedPurges } from "./linked_purges.ts";
import { openClusterPurges } from "./open_cluster_purges.ts";
import type { PurgePeer } from "./peer_bus.ts";
import { type PrewarmAnswer, Prewarmer, type PrewarmOrder } from "./prewarmer.ts";
import { PurgeDesk, type PurgeSpread } from "./purge_desk.ts";
import { PurgeLedger } from "./purge_ledger.ts";
import { UsageLedger, type UsageRow } from "./usage_ledger.ts";
import { type Drain, UpstreamDesk, type UpstreamDeskOptions } from "./upstream_desk.ts";

/** What operations need of the fleet. */
export interface OperatedFleet {
  purge(rules: readonly PurgeRule[], counts?: boolean): Promise<PurgeSpread>;
  /** Has every serving worker forget what these keys hold. */
  forget(keys: readonly string[]): Promise<void>;
  prewarm(listener: string, url: string, clients: readonly ClientName[]): Promise<PrewarmResult>;
  read(pool: string, target: string): Promise<ReadResult>;
  counts(): WorkerCounts;
}

/** Options of {@linkcode Operations}. */
export interface OperationsOptions {
  /** The file that this process stores responses in; `null` where memory alone serves. */
  readonly kvPath: string | null;
  /** See {@linkcode ClaimedKvFile.purgePath}. */
  readonly purgePath: string | null;
  readonly logger: Logger;
  readonly config: () => Config;
  readonly fleet: OperatedFleet;
  readonly upstreams: Pick<UpstreamDeskOptions, "spread" | "check">;
  /** See `newLeaseMemory`. */
  readonly leaseMemory: SharedArrayBuffer;
  readonly sharedLimits: SharedLimits;
  readonly bus: Bus;
  /** Gateways that purges are passed on to. */
  readonly peers: () => readonly PurgePeer[];
}

/** What is opened before the operations begin. */
interface Opened {
  readonly kv: Deno.Kv | null;
  readonly purgeKv: Deno.Kv | null;
  readonly ledger: PurgeLedger;
  readonly desk: PurgeDesk;
  readonly cluster: ClusterPurges | null;
  readonly purging: LinkedPurges;
  readonly upstreams: UpstreamDesk;
  readonly link: ClusterLink | null;
}

/** How often what was counted is noted for the hit rates; the workers report as often. */
const RECORD_EVERY_MS = 1_000;

/** What operators do with the cache of a running gateway, and what the supervisor remembers for it. */
export class Operations {
  readonly prewarmer: Prewarmer;
  readonly changes: ChangeFeed;
  readonly upstreams: UpstreamDesk;
  /** Where orders to purge are taken. */
  readonly purging: LinkedPurges;
  /** The other gateways of the cluster; `null` where there is none. */
  readonly cluster: ClusterPurges | null;
  readonly history = new RequestHistory();
  readonly #fleet: OperatedFleet;
  readonly #config: () => Config;
  readonly #logger: Logger;
  /** What is kept for the next process. */
  readonly #state: LateStateStore;
  #kvs: readonly Deno.Kv[];
  readonly #ledger: PurgeLedger;
  readonly #desk: PurgeDesk;
  readonly #usage: UsageLedger;
  readonly #link: ClusterLink | null;
  #isReleased = false;
  readonly #hits = new HitHistory();
  readonly #known: KnownTags;
  #recorder: ReturnType<typeof setInterval> | undefined;
  /** What users have changed is written down. */
  #recorded: Promise<void> = Promise.resolve();

  private constructor(options: OperationsOptions, opened: Opened) {
    const { kv, purgeKv, ledger, desk, purging, cluster, upstreams, link } = opened;
    const { fleet, config } = options;
    const logger = options.logger.in("cache");
    const state = new LateStateStore(stateIn(kv));
    this.#logger = logger;
    this.#state = state;
    this.#fleet = fleet;
    this.#config = config;
    this.#kvs = [...new Set([kv, purgeKv])].filter((one) => one !== null);
    this.#ledger = ledger;
    this.upstreams = upstreams;
    this.#link = link;
    this.#desk = desk;
    this.purging = purging;
    this.cluster = cluster;
    this.#usage = new UsageLedger({ state, logger, now: () => systemClock.now() });
    this.prewarmer = new Prewarmer({
      ...{ state, logger, config },
      fetch: (listener, url, clients) => fleet.prewarm(listener, url, clients),
      ...(link === null ? {} : { isOwn: (listener: string) => link.leaders.prewarms(listener, config()) }),
    });
    const known = new KnownTags({ kv, logger, memory: options.leaseMemory });
    this.#known = known;
    this.changes = new ChangeFeed({
      ...{ state, logger, config },
      read: (pool, target) => fleet.read(pool, target),
      purge: async (tags, listeners) => {
        await this.#desk.takeChanges(tags, listeners);
        await this.prewarmer.changed(tags, listeners);
      },
      // Other gateways of a cluster store what this one does not: it asks for all of them.
      mayHold: (tag) => link !== null || known.mayHold(tag),
      whenKnown: () => known.whenKnown(),
    });
  }

  /** Opens KV and reads what was written down; before the first worker starts. */
  static async open(options: OperationsOptions): Promise<Operations> {
    const { kvPath, purgePath, config } = options;
    const logger = options.logger.in("cache");
    // It connects while the files are opened.
    const link = ClusterLink.open(config(), options.sharedLimits, options.logger.in("admin"));
    const open = (path: string | null) => path === null ? null : openKvFile(path, { clock: systemClock, log: logger });
    const kv = await open(kvPath);
    const purgeKv = purgePath === kvPath ? kv : await open(purgePath);
    const state = stateIn(purgeKv);
    const ledger = await PurgeLedger.open(state, logger);
    const cluster = await openClusterPurges(link, {
      ...{ fleet: options.fleet, leaseMemory: options.leaseMemory, ledger, state },
      recordWrite: (type, tags) => desk.recordWrite(type, tags, config()),
      logger: options.logger.in("admin"),
    });
    const desk: PurgeDesk = new PurgeDesk({
      ...{ ledger, logger, cluster },
      spread: (rules, counts) => options.fleet.purge(rules, counts),
    });
    const { bus, peers } = options;
    const purging = await LinkedPurges.open({ bus, peers, desk, config, state, logger: options.logger.in("admin") });
    const upstreams = await UpstreamDesk.open({
      ...options.upstreams,
      ...{ state: stateIn(kv), before: stateIn(purgeKv), logger: options.logger.in("upstream"), config },
    });
    await link?.begin();
    await Promise.all([purging.start(), cluster?.start()]);
    return new Operations(options, { kv, purgeKv, ledger, desk, purging, cluster, upstreams, link });
  }

  /**
   * Takes the file that another process had until now: its purges come into all workers, and what was kept there goes on.
   *
   * @throws {Error} what Deno KV throws
   */
  async take(kvPath: string): Promise<void> {
    const kv = await openKvFile(kvPath, { clock: systemClock, log: this.#logger });
    if (kv === null) return;
    this.#kvs = [...this.#kvs, kv];
    const state = new KvStateStore(kv);
    const rules = await this.#ledger.attach(state);
    if (rules.length > 0) await this.#fleet.purge(rules);
    this.cluster?.attach(state);
    await this.purging.attach(state);
    await this.upstreams.attach(state);
    this.#known.attach(kv);
    await this.#state.attach(state);
    if (this.#recorder !== undefined) await this.prewarmer.resume();
  }

  /** A purge position behind all that is stored so far. */
  nextPurgePosition(): number {
    return this.#ledger.next().position;
  }

  /** The purges in force, for a worker that starts. */
  get purges(): readonly PurgeRule[] {
    return this.#ledger.rules;
  }

  /** Begins what goes on by itself, when the workers are up. */
  begin(): void {
    this.#record();
    this.#recorder = setInterval(() => this.#record(), RECORD_EVERY_MS);
    this.purging.begin();
    void this.prewarmer.start();
    this.changes.reconfigure();
  }

  /** Writes down what an unsafe request has changed, see {@linkcode PurgeDesk.recordWrite}, and tells the cluster. */
  async recordChange({ keys, written }: ChangedTargets): Promise<void> {
    if (written !== null) {
      const recorded = this.#desk.recordWrite(written.type, written.tags, this.#config());
      this.#recorded = Promise.all([this.#recorded, recorded]).then(() => {});
    }
    await this.cluster?.tell({ kind: "changed", data: { keys, written } });
  }

  /** Follows a new configuration. */
  reconfigure(): void {
    this.prewarmer.reconfigure();
    this.changes.reconfigure();
    void this.upstreams.reconfigure();
  }

  /** See {@linkcode Prewarmer.begin}. */
  prewarm(order: PrewarmOrder, actor: string): Promise<PrewarmAnswer> {
    return this.prewarmer.begin(order, actor);
  }

  /** The part of the statistics that is remembered here, up to now. */
  statistics(): Pick<StatisticsFacts, "rates" | "purges" | "prewarms" | "changes"> & {
    readonly drains: readonly Drain[];
    readonly cluster: ClusterLink | null;
  } {
    this.#hits.record(this.#fleet.counts(), Date.now());
    return {
      rates: (listener) => this.#hits.rates(listener),
      purges: this.#desk.counts,
      prewarms: this.prewarmer.status(),
      changes: this.changes.status(),
      drains: this.upstreams.drains,
      cluster: this.#link,
    };
  }

  #record(): void {
    void this.#ledger.noteTime(Date.now());
    const counts = this.#fleet.counts();
    this.#hits.record(counts, Date.now());
    this.#usage.record(counts);
    this.history.record(counts, Date.now());
  }

  /** What each client has used of each listener on the last `days` days, up to now. */
  usage(days: number): Promise<readonly UsageRow[]> {
    this.#usage.record(this.#fleet.counts());
    return this.#usage.rows(days);
  }

  /** Begins nothing more; fetches under way end with the workers, so wait for this after them. */
  async close(): Promise<void> {
    clearInterval(this.#recorder);
    this.#known.close();
    await Promise.all([this.prewarmer.close(), this.changes.close(), this.purging.close(), this.cluster?.close()]);
    await this.#link?.close();
  }

  /** Lets go of KV, when what users have changed and what clients have used is written down. */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    await this.#recorded;
    this.#usage.record(this.#fleet.counts());
    await this.#usage.write();
    for (const kv of this.#kvs) kv.close();
    this.#kvs = [];
  }
}

function stateIn(kv: Deno.Kv | null): KvStateStore | null {
  return kv === null ? null : new KvStateStore(kv);
}
