import { systemClock } from "../clock.ts";
import { createMemoryTier, type MemoryTier } from "../cache/memory_tier.ts";
import type { PurgeRule } from "../cache/purge_rules.ts";
import { PurgeTable } from "../cache/purge_table.ts";
import { createTieredStore } from "../cache/tiered_store.ts";
import { Gateway, type Prepared } from "../gateway/gateway.ts";
import { type HealthWatch, watchHealth } from "../health/kv_health_reader.ts";
import type { Logger } from "../logging/logger.ts";
import type { RouteTable } from "../listener/route_table.ts";
import type { HealthTable } from "../pool/upstream_health.ts";
import type { Services } from "../proxy/services.ts";
import type { Snapshot, Tenant } from "../proxy/snapshot.ts";
import { Disk } from "./disk.ts";
import { ListenSet } from "./listen_set.ts";
import { LoopMonitor } from "./loop_monitor.ts";
import type { InitMessage, ListenerHolding, WorkerReport } from "./messages.ts";
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
  readonly #disk: Disk;
  readonly #memory: MemoryTier;
  readonly #watch: HealthWatch | null;
  readonly #purges: PurgeTable;
  readonly #loop = new LoopMonitor();
  readonly #reporter: ReturnType<typeof setInterval>;
  #health: MessagePort | null = null;
  #prepared: Prepared | null = null;

  private constructor(
    parts: {
      gateway: Gateway;
      listen: ListenSet;
      disk: Disk;
      memory: MemoryTier;
      watch: HealthWatch | null;
      purges: PurgeTable;
    },
  ) {
    this.#purges = parts.purges;
    this.#gateway = parts.gateway;
    this.#listen = parts.listen;
    this.#disk = parts.disk;
    this.#memory = parts.memory;
    this.#watch = parts.watch;
    this.#reporter = setInterval(() => this.#report(), REPORT_EVERY_MS);
  }

  static async open(init: InitMessage, logger: Logger, handler: RequestHandler): Promise<ServingWorker> {
    const { config } = init;
    const disk = await Disk.open(init, logger);
    const memory = createMemoryTier({ limitBytes: config.cache.memoryBytes });
    const purges = new PurgeTable(init.purges);
    const store = createTieredStore({
      purges,
      memory,
      disk: disk.tier,
    });
    const { leaseMemory, instanceId, index, generation } = init;
    const gateway = new Gateway(
      { store, leaseMemory, worker: index, instanceId, clock: systemClock, logger, config },
      generation,
    );
    const watch = disk.kv === undefined ? null : watchTables(disk.kv, gateway, logger);
    const listen = new ListenSet((address) => (request, connection) =>
      handler({ services: gateway.services, table: gateway.snapshot.tables.get(address) }, request, connection)
    );
    listen.open(gateway.snapshot.tables.keys());
    return new ServingWorker({ gateway, listen, disk, memory, watch, purges });
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

  purge(rules: readonly PurgeRule[]): void {
    for (const rule of rules) this.#purges.add(rule);
    this.#gateway.services.collapse.detach();
  }

  report(): WorkerReport {
    const { services, snapshot, counts } = this.#gateway;
    const { memory, disk } = services.store.stats();
    return {
      generation: snapshot.generation,
      counts,
      memory,
      disk,
      diskProblem: this.#disk.tier?.problem ?? null,
      byListener: listenerUsage(this.#memory, this.#disk),
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
    this.#disk.close();
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

/** What each listener holds. */
function listenerUsage(memory: MemoryTier, disk: Disk): Record<string, ListenerHolding> {
  const holdings: Record<string, ListenerHolding> = {};
  for (const [name, { entries, bytes }] of memory.usage()) {
    holdings[name] = { memoryEntries: entries, memoryBytes: bytes, diskBytes: 0 };
  }
  for (const [name, diskBytes] of Object.entries(disk.listenerBytes)) {
    holdings[name] = { ...holdings[name] ?? { memoryEntries: 0, memoryBytes: 0 }, diskBytes };
  }
  return holdings;
}

function watchTables(kv: Deno.Kv, gateway: Gateway, logger: Logger): HealthWatch {
  return watchHealth(kv, (tables) => gateway.applyHealth(tables), {
    now: () => systemClock.now(),
    schedule,
    onTrouble: (error) => logger.warn("Health cannot be read from Deno KV", { problem: String(error) }),
  });
}
