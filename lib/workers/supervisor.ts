import { newLeaseMemory } from "../cache/lease_table.ts";
import { openKvFile, type PreparedKvFile } from "../cache/kv_open.ts";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { LoadResult } from "../config/load.ts";
import { formatLocated } from "../config/located.ts";
import type { PurgeOrder } from "../gateway/purge_scopes.ts";
import type { Logger } from "../logging/logger.ts";
import { prometheusText } from "../metrics/exposition.ts";
import { Fleet } from "./fleet.ts";
import { PurgeDesk, type PurgeOutcome } from "./purge_desk.ts";
import { PurgeLedger } from "./purge_ledger.ts";
import { gauges, statusOf } from "./status.ts";

/** What a supervisor is made of. */
export interface SupervisorOptions {
  readonly version: string;
  readonly configFile: string;
  /** Reads and checks the configuration; called at each reload. */
  readonly source: () => Promise<LoadResult>;
  /** The configuration to start with. */
  readonly config: Config;
  /** Module that every worker is started from. */
  readonly workerUrl: URL;
  readonly kvFile: PreparedKvFile;
  readonly logger: Logger;
  /** The admin surface over what the supervisor shows. */
  readonly adminHandler: (supervisor: Supervisor) => AdminHandler;
  /** Lets tests break workers. */
  readonly testHooks: boolean;
}

/** Answers a request to the admin surface. */
export type AdminHandler = (
  request: Request,
  connection: Deno.ServeHandlerInfo<Deno.NetAddr>,
) => Response | Promise<Response>;

/** What came of a reload. */
export type ReloadResult =
  | { readonly ok: true; readonly generation: number }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Settings that only a restart applies, by their path in the file. */
const RESTART_ONLY: ReadonlyArray<readonly [path: string, value: (config: Config) => unknown]> = [
  ["server.workers", (config) => config.server.workers],
  ["server.data_dir", (config) => config.server.dataDir],
  ["admin.listen", (config) => `${config.admin.listen.hostname}:${config.admin.listen.port}`],
  ["cache.memory", (config) => config.cache.memoryBytes],
  ["cache.disk", (config) => config.cache.diskBytes],
  ["cache.fill_memory", (config) => config.cache.fillMemoryBytes],
];

/** Runs the gateway: workers, admin surface, reload and stop. One in a process. */
export class Supervisor {
  readonly startedAtMs = Date.now();
  readonly #options: SupervisorOptions;
  readonly #fleet: Fleet;
  readonly #lost = Promise.withResolvers<void>();
  #admin: Deno.HttpServer | null = null;
  #kv: Deno.Kv | null = null;
  #ledger: PurgeLedger | null = null;
  #purgeDesk: PurgeDesk | null = null;
  #reloading: Promise<ReloadResult> | null = null;
  #reloadAgain = false;
  #lastReload: { readonly atMs: number; readonly problems: readonly string[] } | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#fleet = new Fleet({
      url: options.workerUrl,
      servingWorkers: options.config.server.workers,
      silenceMs: options.config.server.workerTimeoutMs,
      leaseMemory: newLeaseMemory(),
      kvPath: options.kvFile.path,
      purges: () => this.#ledger?.rules ?? [],
      instanceId: `usher-${crypto.randomUUID().slice(0, 13)}`,
      logger: options.logger,
      onLost: () => this.#lost.resolve(),
    }, { generation: 1, config: options.config });
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#fleet.current.config;
  }

  /** The admin token; `null` where none is set. */
  get token(): string | null {
    return this.config.admin.token;
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
    await this.#openLedger();
    await this.#fleet.start();
    const { hostname, port } = this.config.admin.listen;
    this.#admin = Deno.serve({ hostname, port, onListen: () => {} }, this.#options.adminHandler(this));
  }

  /** Whether requests can be served. */
  isReady(): boolean {
    return this.#fleet.liveServing > 0;
  }

  /** Plain data for `/status`, without secrets. */
  async status(): Promise<unknown> {
    await this.#fleet.refresh();
    return statusOf({
      version: this.#options.version,
      configFile: this.#options.configFile,
      startedAtMs: this.startedAtMs,
      current: this.#fleet.current,
      slots: this.#fleet.slots,
      counts: this.#fleet.counts(),
      kvFile: this.#options.kvFile,
      lastReload: this.#lastReload,
    });
  }

  /** Text in the Prometheus exposition format. */
  async metrics(): Promise<string> {
    await this.#fleet.refresh();
    const { version } = this.#options;
    return prometheusText(
      this.#fleet.counts(),
      gauges({ version, startedAtMs: this.startedAtMs, current: this.#fleet.current, slots: this.#fleet.slots }),
    );
  }

  /** Reads the configuration again and brings it into every worker, or says why not. Calls during a reload lead to one more. */
  reload(): Promise<ReloadResult> {
    if (this.#reloading !== null) {
      this.#reloadAgain = true;
      return this.#reloading;
    }
    this.#reloading = this.#reloadUntilCurrent().finally(() => this.#reloading = null);
    return this.#reloading;
  }

  /** Purges stored responses in all workers, for `actor`; see {@linkcode PurgeDesk.take}. */
  async purge(order: PurgeOrder, actor: string): Promise<PurgeOutcome> {
    if (this.#purgeDesk === null) return { ok: false, problem: "The gateway is still starting" };
    return await this.#purgeDesk.take(order, this.config, actor);
  }

  /** Breaks a worker, for tests; `false` where that is not allowed. */
  fault(worker: number, fault: "throw" | "hang"): boolean {
    const handle = this.#options.testHooks ? this.#fleet.slots[worker]?.handle : null;
    handle?.post({ type: "fault", fault });
    return handle !== null && handle !== undefined;
  }

  /** Stops taking connections, lets what is under way finish within `shutdown_grace`, and ends the workers. */
  async stop(): Promise<void> {
    const graceMs = this.config.server.shutdownGraceMs;
    this.#options.logger.info("Usher is stopping", { grace_ms: graceMs });
    await this.#fleet.stop(graceMs);
    await this.#admin?.shutdown();
    this.#kv?.close();
  }

  async #openLedger(): Promise<void> {
    const { kvFile, logger } = this.#options;
    this.#kv = kvFile.path === null ? null : await openKvFile(kvFile.path, { clock: systemClock, log: logger });
    this.#ledger = await PurgeLedger.open(this.#kv, logger);
    this.#purgeDesk = new PurgeDesk({
      ledger: this.#ledger,
      logger,
      spread: (rules) => this.#fleet.purge(rules),
    });
  }

  async #reloadUntilCurrent(): Promise<ReloadResult> {
    let result: ReloadResult;
    do {
      this.#reloadAgain = false;
      result = await this.#reloadOnce();
    } while (this.#reloadAgain);
    return result;
  }

  async #reloadOnce(): Promise<ReloadResult> {
    const { logger, source } = this.#options;
    const loaded = await source();
    if (!loaded.ok) return this.#reloadFailed(loaded.problems.map(formatLocated));
    for (const warning of loaded.warnings) logger.warn(formatLocated(warning));
    const before = this.config;
    const generation = this.#fleet.current.generation + 1;
    const problem = await this.#fleet.reload({ generation, config: loaded.config });
    if (problem !== null) return this.#reloadFailed([problem]);
    for (const [path, value] of RESTART_ONLY) {
      if (value(before) !== value(loaded.config)) {
        logger.warn("A changed setting takes effect at the next start", { setting: path });
      }
    }
    this.#lastReload = { atMs: Date.now(), problems: [] };
    logger.info("Configuration reloaded", { generation, file: this.#options.configFile });
    return { ok: true, generation };
  }

  #reloadFailed(problems: readonly string[]): ReloadResult {
    const { logger, configFile } = this.#options;
    for (const problem of problems) logger.error(problem);
    logger.error("Configuration not reloaded: the one before stays in force", {
      file: configFile,
      problems: problems.length,
    });
    this.#lastReload = { atMs: Date.now(), problems };
    return { ok: false, problems };
  }
}
