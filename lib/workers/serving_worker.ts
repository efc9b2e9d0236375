import { systemClock } from "../clock.ts";
import { createMemoryTier } from "../cache/memory_tier.ts";
import { createKvTier, type KvTier } from "../cache/kv_tier.ts";
import { openKvFile } from "../cache/kv_open.ts";
import { createTieredStore } from "../cache/tiered_store.ts";
import { Gateway, type Prepared } from "../gateway/gateway.ts";
import { type HealthWatch, watchHealth } from "../health/kv_health_reader.ts";
import type { Logger } from "../logging/logger.ts";
import type { RouteTable } from "../listener/route_table.ts";
import type { HealthTable } from "../pool/upstream_health.ts";
import type { Services } from "../proxy/services.ts";
import type { Snapshot, Tenant } from "../proxy/snapshot.ts";
import { ListenSet } from "./listen_set.ts";
import { LoopMonitor } from "./loop_monitor.ts";
import type { InitMessage, WorkerReport } from "./messages.ts";
import { schedule } from "./schedule.ts";
import { runWorker, type WorkerRole } from "./worker_runtime.ts";

/** Serves one request; `table` is that of the address it came to. */
export type RequestHandler = (
  entrance: { readonly services: Services; readonly table: RouteTable<Tenant> | undefined },
  request: Request,
  connection: Deno.ServeHandlerInfo<Deno.NetAddr>,
) => Response | Promise<Response>;

/** How often the health worker is told what became of tries; a failure is told at once, by the batch that is due next. */
const REPORT_EVERY_MS = 20;

/** Runs this worker as a serving worker, until the supervisor ends it. */
export function runServingWorker(handler: RequestHandler): void {
  runWorker((init, logger) => ServingWorker.open(init, logger, handler));
}

class ServingWorker implements WorkerRole {
  readonly #gateway: Gateway;
  readonly #listen: ListenSet;
  readonly #kvs: readonly Deno.Kv[];
  readonly #watch: HealthWatch | null;
  readonly #loop = new LoopMonitor();
  readonly #reporter: ReturnType<typeof setInterval>;
  #health: MessagePort | null = null;
  #prepared: Prepared | null = null;

  private constructor(
    parts: { gateway: Gateway; listen: ListenSet; kvs: readonly Deno.Kv[]; watch: HealthWatch | null },
  ) {
    this.#gateway = parts.gateway;
    this.#listen = parts.listen;
    this.#kvs = parts.kvs;
    this.#watch = parts.watch;
    this.#reporter = setInterval(() => this.#report(), REPORT_EVERY_MS);
  }

  static async open(init: InitMessage, logger: Logger, handler: RequestHandler): Promise<ServingWorker> {
    const { config } = init;
    const kvs = await openKvs(init.kvPath, logger);
    const store = createTieredStore({
      memory: createMemoryTier({ limitBytes: config.cache.memoryBytes }),
      disk: diskTier(init, kvs, logger),
    });
    const { leaseMemory, instanceId, index, generation } = init;
    const gateway = new Gateway(
      { store, leaseMemory, worker: index, instanceId, clock: systemClock, logger, config },
      generation,
    );
    const watch = kvs[0] === undefined ? null : watchTables(kvs[0], gateway, logger);
    const listen = new ListenSet((address) => (request, connection) =>
      handler({ services: gateway.services, table: gateway.snapshot.tables.get(address) }, request, connection)
    );
    listen.open(gateway.snapshot.tables.keys());
    return new ServingWorker({ gateway, listen, kvs, watch });
  }

  peer(peer: number | "health", port: MessagePort): void {
    if (peer !== "health") return this.#gateway.services.collapse.peers.connect(peer, port);
    this.#health?.close();
    this.#health = port;
    // Only where Deno KV cannot be used: else tables come by watching it.
    port.onmessage = (event: MessageEvent<readonly HealthTable[]>) => this.#gateway.applyHealth(event.data);
  }

  prepare(generation: number, config: InitMessage["config"]): void {
    this.#prepared = this.#gateway.prepare(config, generation);
    this.#listen.open(this.#prepared.snapshot.tables.keys());
  }

  commit(): void {
    if (this.#prepared === null) return;
    this.#gateway.commit(this.#prepared);
    this.#prepared = null;
    this.#listen.keepOnly(this.#addresses(this.#gateway.snapshot));
  }

  abort(): void {
    if (this.#prepared === null) return;
    this.#gateway.abort(this.#prepared);
    this.#prepared = null;
    this.#listen.keepOnly(this.#addresses(this.#gateway.snapshot));
  }

  report(): WorkerReport {
    const { services, snapshot, counts } = this.#gateway;
    const { memory, disk } = services.store.stats();
    return {
      generation: snapshot.generation,
      counts,
      memory,
      disk,
      flights: services.collapse.size,
      backgroundTasks: services.background.size,
      fillBytes: services.budget.usedBytes,
      connections: this.#gateway.connections(),
      loopLagMs: this.#loop.takeWorstMs(),
      heapBytes: Deno.memoryUsage().heapUsed,
      health: null,
    };
  }

  async stop(graceMs: number): Promise<void> {
    const untilMs = performance.now() + graceMs;
    await this.#listen.close(graceMs);
    clearInterval(this.#reporter);
    this.#loop.close();
    await this.#gateway.close(Math.max(500, untilMs - performance.now()));
    await this.#watch?.close();
    for (const kv of this.#kvs) kv.close();
    this.#health?.close();
  }

  #report(): void {
    if (this.#health === null) return;
    const reports = this.#gateway.drainReports();
    if (reports.length > 0) this.#health.postMessage(reports);
  }

  #addresses(snapshot: Snapshot): ReadonlySet<string> {
    return new Set(snapshot.tables.keys());
  }
}

/** One connection to read by and one to write by, so that reads don't wait behind writes; none where the file cannot be opened. */
async function openKvs(path: string | null, logger: Logger): Promise<Deno.Kv[]> {
  if (path === null) return [];
  const options = { clock: systemClock, log: logger };
  const opened = await Promise.all([openKvFile(path, options), openKvFile(path, options)]);
  return opened.flatMap((kv) => kv ?? []);
}

function diskTier(init: InitMessage, kvs: readonly Deno.Kv[], logger: Logger): KvTier | null {
  const [kv, writeKv] = kvs;
  const limitBytes = init.config.cache.diskBytes;
  if (kv === undefined || limitBytes === 0) return null;
  const log = {
    warn: (message: string, fields?: Readonly<Record<string, unknown>>) =>
      logger.warn(message, fields as Record<string, string>),
  };
  return createKvTier({ kv, writeKv, clock: systemClock, log, limitBytes });
}

function watchTables(kv: Deno.Kv, gateway: Gateway, logger: Logger): HealthWatch {
  return watchHealth(kv, (tables) => gateway.applyHealth(tables), {
    now: () => systemClock.now(),
    schedule,
    onTrouble: (error) => logger.warn("Health cannot be read from Deno KV", { problem: String(error) }),
  });
}
