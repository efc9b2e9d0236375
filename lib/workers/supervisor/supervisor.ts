import { newLeaseMemory } from "../../cache/flights/lease_table.ts";
import type { Config } from "../../config/config.ts";
import { newSharedLimits, type SharedLimits } from "../../gateway/limits.ts";
import type { Logger } from "../../logging/logger.ts";
import { ConnectionGate } from "../../server/connection_gate.ts";
import { countedMetrics } from "../../metrics/counted_metrics.ts";
import { type ExpositionFormat, expositionText } from "../../metrics/exposition.ts";
import { shownChangeFeed } from "../figures/cache_figures.ts";
import type { Challenges } from "../../server/acme_challenge.ts";
import { limitsSecret, sharesKeys } from "../operations/cluster_limits.ts";
import { LiveView } from "../operations/live_view.ts";
import { Operations } from "../operations/operations.ts";
import type { PrewarmAnswer, PrewarmOrder, PrewarmStatus } from "../operations/prewarmer.ts";
import type { UsageRow } from "../operations/usage_ledger.ts";
import type { CheckOutcome, DrainOutcome } from "../operations/upstream_desk.ts";
import type { LinkedPurges } from "../operations/linked_purges.ts";
import { PeerBus } from "../operations/peer_bus.ts";
import { Sight } from "../operations/sight.ts";
import { deafAddresses } from "../figures/gateway_state.ts";
import type { LookUpOrder } from "../messages.ts";
import { gauges, type Status, type StatusFacts, statusOf } from "../figures/status.ts";
import { AdminServer } from "./admin_server.ts";
import { CertificateKeeper } from "./certificate_keeper.ts";
import { ConfigChanges, type ConfigInForce, type ReloadResult } from "./config_changes.ts";
import { ConfigWatch } from "./config_watch.ts";
import { pinnerOf } from "./cpu_affinity.ts";
import { Departure } from "./departure.ts";
import { diskFilterMemory, DiskTaker } from "./disk_taker.ts";
import { LogLevelKeeper } from "./log_level.ts";
import { DiskWatch } from "./disk_watch.ts";
import { Fleet } from "./fleet.ts";
import { FleetCalls, type WorkerLookUp } from "./fleet_calls.ts";
import type { SupervisorOptions } from "./supervisor_options.ts";
import { takeOver } from "./take_over.ts";

/** What `/ready` answers. */
export type Readiness = "ready" | "stopping" | "no worker serves" | "an address is not served";

/** Runs the gateway: workers, admin surface, reload and stop. One in a process. */
export class Supervisor {
  readonly startedAtMs = Date.now();
  readonly #options: SupervisorOptions<Supervisor>;
  readonly #fleet: Fleet;
  readonly #calls: FleetCalls;
  readonly #memory: { readonly leaseMemory: SharedArrayBuffer; readonly sharedLimits: SharedLimits };
  readonly #lost = Promise.withResolvers<void>();
  /** This process among gateways of a chain: in `CDN-Loop`, and where purges are passed on. */
  readonly #instanceId = `usher-${crypto.randomUUID().slice(0, 13)}`;
  /** Opens the admin surface to the commands of this user; see {@linkcode RunRecord}. */
  readonly key = crypto.getRandomValues(new Uint8Array(32)).toHex();
  /** What pages show. */
  readonly live = new LiveView({
    status: () => this.#statusNow(),
    prewarms: () => this.prewarms(),
    history: () => this.#ready.history,
    problems: () => this.sight.problems(),
  });
  #admin: AdminServer | null = null;
  readonly #certificates: CertificateKeeper;
  /** What is remembered of problems and requests. */
  readonly sight: Sight;
  /** The levels of the log, as ordered at run time. */
  readonly logLevels: LogLevelKeeper;
  readonly #bus: PeerBus;
  readonly #disk: DiskTaker;
  readonly #diskWatch: DiskWatch;
  #operations: Operations | null = null;
  readonly #changes: ConfigChanges;
  readonly departure: Departure;
  readonly #watch: ConfigWatch | null;
  #stopping: Promise<void> | null = null;

  constructor(options: SupervisorOptions<Supervisor>) {
    this.#options = options;
    const { config } = options;
    const sharedLimits = newSharedLimits(config.server.workers, limitsSecret(config), sharesKeys(config));
    this.#memory = { leaseMemory: newLeaseMemory(), sharedLimits };
    this.#fleet = new Fleet({
      url: options.workerUrl,
      servingWorkers: options.config.server.workers,
      silenceMs: options.config.server.workerTimeoutMs,
      ...this.#memory,
      diskFilter: diskFilterMemory(options, options.config.cache.diskBytes),
      connections: ConnectionGate.memory(options.config.server.workers),
      descriptors: options.descriptors,
      kvPath: options.kvFile.path,
      takesOver: (options.predecessor ?? null) !== null,
      purges: () => this.#operations?.purges ?? [],
      drained: () => this.#operations?.upstreams.drains ?? [],
      instanceId: this.#instanceId,
      onChanged: async (changed) => await this.#operations?.recordChange(changed),
      logLevels: () => this.logLevels.inForce.override,
      onProblems: (problems) => problems.forEach(options.problems.add),
      logger: options.logger,
      onLost: () => this.#lost.resolve(),
      onUp: pinnerOf(options.config.server.cpuAffinity, options.logger),
    }, { generation: 1, config: options.config });
    this.#calls = new FleetCalls(this.#fleet);
    this.#disk = new DiskTaker({ ...options, take: (path) => this.#takeDisk(path) });
    this.departure = new Departure({ fleet: this.#fleet, config: () => this.config, logger: options.logger });
    this.sight = new Sight({ ask: (question) => this.#calls.look(question), problems: options.problems });
    this.logLevels = new LogLevelKeeper(options.logger, (override) => this.#calls.setLogLevels(override));
    this.#diskWatch = new DiskWatch({ path: () => this.#disk.file.path, logger: options.logger });
    this.#bus = new PeerBus({
      self: this.#instanceId,
      peers: () => this.config.admin.peers,
      logger: options.logger.in("admin"),
    });
    this.#changes = new ConfigChanges({
      ...options,
      fleet: this.#fleet,
      adjustAdmin: (admin) => this.#admin?.adjust(admin),
      onReloaded: () => {
        this.#operations?.reconfigure();
        this.#watchConfig();
        this.live.restart();
      },
    });
    const { sources } = options;
    const reload = () => this.reload("a change of its files");
    this.#watch = sources === undefined ? null : new ConfigWatch({ sources, reload, logger: options.logger });
    this.#certificates = new CertificateKeeper({
      config: () => this.config,
      inTurn: (work) => this.#changes.inTurn(work),
      bring: (config) => this.#changes.bring(config),
      logger: options.logger.in("tls"),
    });
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#fleet.current.config;
  }

  /** What opens the admin surface, beside {@linkcode Supervisor.key}. */
  get tokens(): Config["admin"]["tokens"] {
    return this.config.admin.tokens;
  }

  get logger(): Logger {
    return this.#options.logger;
  }

  /** URL of the admin surface, from this machine; `null` until it is served. */
  get adminUrl(): string | null {
    return this.#admin?.url ?? null;
  }

  /** Has every worker answer these challenges of an authority, and no others. */
  setChallenges(challenges: Challenges): Promise<void> {
    return this.#fleet.setChallenges(challenges);
  }

  /** Settles when every worker is lost for good. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  /**
   * Starts the workers, then the admin surface.
   *
   * @throws {Error} when no worker starts or the admin address cannot be used
   */
  async start(): Promise<void> {
    const { kvFile, purgePath, logger } = this.#options;
    const operations = {
      ...{ kvPath: kvFile.path, purgePath },
      logger,
      config: () => this.config,
      ...this.#calls.operated(this.#fleet),
      ...{ ...this.#memory, bus: this.#bus, peers: () => this.config.admin.peers },
    };
    this.#operations = await Operations.open(operations);
    await this.#fleet.start();
    this.#admin = new AdminServer({ ...this.#options, config: this.config });
    const waitMs = await takeOver(this.#options.predecessor ?? null, this.#fleet, logger);
    await this.#admin.listen(this.config.admin, this.#options.adminHandler(this), waitMs);
    this.#disk.begin();
    await this.#disk.taken(waitMs);
    this.#diskWatch.begin();
    this.#operations.begin();
    this.#certificates.begin();
    this.#options.acme.attach(this);
    this.#options.acme.begin();
    this.#watchConfig();
    this.#options.logger.debug("Workers and admin address are up", { after_ms: Date.now() - this.startedAtMs });
  }

  /** Whether requests can be served, and will be. */
  readiness(): Readiness {
    if (this.departure.hasBegun) return "stopping";
    if (this.#fleet.liveServing === 0) return "no worker serves";
    return deafAddresses(this.config, this.#fleet.slots).length === 0 ? "ready" : "an address is not served";
  }

  /** Plain data for `/status`, without secrets. */
  async status(): Promise<Status> {
    await this.#fleet.refresh();
    return this.#statusNow();
  }

  /** As the workers last reported. */
  #statusNow(): Status {
    return statusOf({
      ...this.#facts(),
      configFile: this.#options.configFile,
      counts: this.#fleet.counts(),
      isStopping: this.departure.hasBegun,
      lastReload: this.#changes.lastReload,
    });
  }

  /** What `/metrics` answers. */
  async metrics(format: ExpositionFormat): Promise<string> {
    await this.#fleet.refresh();
    return expositionText([...countedMetrics(this.#fleet.counts()), ...gauges(this.#facts())], format);
  }

  #facts(): StatusFacts {
    return {
      version: this.#options.version,
      startedAtMs: this.startedAtMs,
      current: this.#fleet.current,
      slots: this.#fleet.slots,
      ...this.#ready.statistics(),
      kvFile: this.#disk.file,
      kvFileLost: this.#diskWatch.problem,
      reloads: this.#changes.reloads,
      descriptors: this.#options.descriptors,
    };
  }

  /**
   * Reads the configuration again and brings it into every worker, or says why not; for `actor`. Calls during a reload lead to one more.
   */
  async reload(actor: string): Promise<ReloadResult> {
    const result = await this.#changes.reload();
    const outcome = result.ok ? "in force" : "not in force";
    this.#options.logger.write({ audit: "reload", actor, outcome, generation: this.#fleet.current.generation });
    return result;
  }

  /** Says what {@linkcode reload} would come to, and changes nothing. */
  tryReload(): Promise<ReloadResult> {
    return this.#changes.tryOut();
  }

  /** The configuration in force as it may be shown, and how the last reload went. */
  configInForce(): ConfigInForce {
    const { inForce, lastReload } = this.#changes;
    return { ...inForce, generation: this.#fleet.current.generation, lastReload };
  }

  /** Begins to stop gracefully, for `actor`; answers how long that may take. */
  requestStop(actor: string): { readonly graceMs: number; readonly delayMs: number } {
    this.#options.logger.write({ audit: "stop", actor });
    this.#options.askStop();
    const { shutdownGraceMs, shutdownDelayMs } = this.config.server;
    return { graceMs: shutdownGraceMs, delayMs: shutdownDelayMs };
  }

  /** Where stored responses of all workers and of the peers are purged. */
  get purging(): Pick<LinkedPurges, "purge" | "since"> {
    return this.#ready.purging;
  }

  /** Gives an upstream no new requests, for `actor`; see {@linkcode UpstreamDesk.drain}. */
  drain(pool: string, upstream: string, actor: string): Promise<DrainOutcome> {
    return this.#ready.upstreams.drain(pool, upstream, actor);
  }

  /** Gives an upstream requests again, for `actor`. */
  undrain(pool: string, upstream: string, actor: string): Promise<DrainOutcome> {
    return this.#ready.upstreams.undrain(pool, upstream, actor);
  }

  /** Checks an upstream at once, for `actor`; see {@linkcode UpstreamDesk.check}. */
  check(pool: string, upstream: string, actor: string): Promise<CheckOutcome> {
    return this.#ready.upstreams.check(pool, upstream, actor);
  }

  /** What each serving worker holds for a request; no use of it, and no upstream is asked. */
  lookUp(order: LookUpOrder): Promise<readonly WorkerLookUp[]> {
    return this.#calls.lookUp(order);
  }

  /** Fetches targets into the cache, in the background; see {@linkcode Prewarmer.begin}. */
  async prewarm(order: PrewarmOrder, actor: string): Promise<PrewarmAnswer> {
    return await this.#ready.prewarm(order, actor);
  }

  /** Stops a listener's prewarm; `false` where none is under way. */
  async stopPrewarm(listener: string, actor: string): Promise<boolean> {
    return await this.#ready.prewarmer.stop(listener, actor);
  }

  /** How the last prewarm of each listener stands. */
  prewarms(): readonly PrewarmStatus[] {
    return this.#ready.prewarmer.status();
  }

  /** Looks up now what has changed upstream of a pool; `false` where it has no change feed, `null` where that is under way. */
  pollChanges(pool: string, actor: string): boolean | null {
    const begun = this.#ready.changes.poll(pool);
    const outcome = begun === null ? "under way already" : begun ? "begun" : "no change feed";
    this.#options.logger.write({ audit: "change feed", actor, pool, outcome });
    return begun;
  }

  /** How each pool's change feed stands. */
  changeFeeds(): ReturnType<typeof shownChangeFeed>[] {
    return this.#ready.changes.status().map(shownChangeFeed);
  }

  /** What each client has used of each listener on the last `days` days. */
  async usage(days: number): Promise<readonly UsageRow[]> {
    await this.#fleet.refresh();
    return await this.#ready.usage(days);
  }

  /** Breaks a worker, for tests; `false` where that is not allowed. */
  fault(worker: number, fault: "throw" | "hang"): boolean {
    const handle = this.#options.testHooks ? this.#fleet.slots[worker]?.handle : null;
    handle?.post({ type: "fault", fault });
    return handle !== null && handle !== undefined;
  }

  /**
   * Another gateway takes this one's place, for `actor`: its listeners, its files and its admin address. When it returns, that one has
   * the connections; what is under way here goes on, then this process ends. `false` where it is stopping already.
   */
  async handOver(actor: string): Promise<{ readonly graceMs: number } | false> {
    const handed = await this.departure.handOver(actor, () => this.#release());
    if (!handed) return false;
    // When the answer to this is on its way.
    setTimeout(() => {
      this.live.close();
      void this.#admin?.close();
      this.#options.askStop();
    }, 0);
    return { graceMs: this.config.server.shutdownGraceMs };
  }

  /** Stops taking connections, lets what is under way finish within `shutdown_grace`, and ends the workers. */
  stop(): Promise<void> {
    this.departure.begin();
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    const graceMs = this.config.server.shutdownGraceMs;
    this.#options.logger.info("Usher is stopping", { grace_ms: graceMs });
    this.#closeKeepers();
    await this.#disk.close();
    const closing = this.#operations?.close();
    const drained = await this.#fleet.stop(graceMs);
    await closing;
    this.live.close();
    await this.#admin?.close();
    await this.#operations?.release();
    this.departure.end(drained);
  }

  /** Lets go of the KV file, with what is to be noted there. */
  async #release(): Promise<void> {
    this.#closeKeepers();
    await this.#disk.close();
    await this.#operations?.close();
    await this.#fleet.refresh();
    await this.#operations?.release();
    this.#options.releaseKv?.();
  }

  #closeKeepers(): void {
    this.#certificates.close();
    this.logLevels.close();
    this.#watch?.close();
    this.#options.acme.close();
    this.#diskWatch.close();
  }

  #watchConfig(): void {
    if (this.#stopping === null) this.#watch?.adjust(this.#options.watch === true || this.config.server.watch);
  }

  /** The purges of the process before come first: what it stored is used from then on. */
  async #takeDisk(kvPath: string): Promise<void> {
    await this.#ready.take(kvPath);
    await this.#fleet.takeDisk(kvPath, this.#ready.nextPurgePosition());
  }

  /** The admin surface is served only once they are there. */
  get #ready(): Operations {
    if (this.#operations === null) throw new Error("The gateway is still starting");
    return this.#operations;
  }
}
