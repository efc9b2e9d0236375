import { KvFilterKeeper } from "../../cache/disk/kv_filter_keeper.ts";
import { createKvJanitor, type KvJanitor } from "../../cache/disk/kv_janitor.ts";
import { openKvFile } from "../../cache/disk/kv_open.ts";
import { schedule, systemClock } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { UpstreamConfig } from "../../config/upstream.ts";
import { createTransport, transportSignature } from "../../gateway/compile_pool.ts";
import { type HealthTargetDeps, monitoredPools } from "../../gateway/health_targets.ts";
import { logKeyEvent } from "../../gateway/key_event.ts";
import { Limits } from "../../gateway/limits.ts";
import type { CheckResult } from "../../health/check.ts";
import type { MonitoredPool, Transition } from "../../health/pool_monitor.ts";
import { HealthMonitor, type PoolReport } from "../../health/health_monitor.ts";
import { HealthWriter, type StoredHealth } from "../../health/health_writer.ts";
import type { HealthTable } from "../../pool/upstream_health.ts";
import type { Logger } from "../../logging/logger.ts";
import { KvStateStore } from "../../state/kv_state_store.ts";
import type { Transport } from "../../upstream_client/transport.ts";
import type {
  ConfigGeneration,
  InitMessage,
  PeerName,
  PrewarmResult,
  ReadResult,
  TakeDisk,
  WorkerReport,
} from "../messages.ts";
import { LoopMonitor } from "./loop_monitor.ts";
import { runWorker, type WorkerRole } from "./worker_runtime.ts";
import { DiskQuotas } from "./disk.ts";

/** Pause between two steps of the disk tier's janitor. */
const JANITOR_EVERY_MS = 1_000;

/** Runs this worker as the health worker, until the supervisor ends it. */
export function runHealthWorker(): void {
  runWorker((init, logger) => HealthWorker.open(init, logger));
}

/** A configuration's pools, and the transports that their checks use. */
interface Targets {
  readonly generation: number;
  readonly config: Config;
  readonly pools: readonly MonitoredPool[];
  readonly transports: ReadonlyMap<string, Transport>;
}

type CheckedKeys = Pick<HealthTargetDeps, "keyCells" | "onKeyEvent">;

/** What the worker is put together from. */
interface Parts {
  readonly monitor: HealthMonitor;
  readonly tables: Tables;
  readonly targets: Targets;
  readonly keys: CheckedKeys;
  readonly init: InitMessage;
  readonly logger: Logger;
}

/** Where tables go: into Deno KV, or to the serving workers' ports as long as there is none. */
interface Tables {
  readonly ports: Map<PeerName, MessagePort>;
  writer: HealthWriter | null;
}

class HealthWorker implements WorkerRole {
  readonly #monitor: HealthMonitor;
  readonly #init: InitMessage;
  readonly #logger: Logger;
  readonly #tables: Tables;
  #kv: Deno.Kv | null = null;
  readonly #loop = new LoopMonitor();
  readonly #ending = new AbortController();
  readonly #quotas: DiskQuotas;
  readonly #keys: CheckedKeys;
  #house: Promise<unknown> = Promise.resolve();
  #janitor: KvJanitor | null = null;
  #targets: Targets;
  #prepared: Targets | null = null;

  private constructor(parts: Parts) {
    this.#monitor = parts.monitor;
    this.#init = parts.init;
    this.#logger = parts.logger;
    this.#tables = parts.tables;
    this.#targets = parts.targets;
    this.#quotas = new DiskQuotas(parts.targets.config);
    this.#keys = parts.keys;
  }

  static async open(init: InitMessage, logger: Logger): Promise<HealthWorker> {
    const opened = init.kvPath === null ? null : await openTables(init.kvPath, logger);
    const tables: Tables = { ports: new Map(), writer: null };
    const upstreams = logger.in("upstream");
    const monitor = new HealthMonitor({
      now: () => systemClock.now(),
      schedule,
      random: Math.random,
      publish: (changed, removed) => tables.writer?.publish(changed, removed) ?? tell(tables.ports, changed),
      onTrouble: (error) => upstreams.warn("Health cannot be written to Deno KV", { problem: String(error) }),
      onTransition: (transition) => logTransition(upstreams, transition),
      onCheck: ({ pool, id, verdict, reason, latencyMs }) =>
        upstreams.debug("An upstream was checked", {
          ...{ pool, upstream: id, verdict, reason: reason === "" ? undefined : reason },
          ms: Math.round(latencyMs * 10) / 10,
        }),
    });
    const keys = keysOf(init, upstreams);
    const targets = targetsOf(init, keys, new Map());
    monitor.reconfigure(targets.pools);
    const worker = new HealthWorker({ monitor, tables, targets, keys, init, logger });
    if (opened !== null) worker.#goOnWith(opened);
    return worker;
  }

  async takeDisk({ kvPath }: TakeDisk): Promise<void> {
    const opened = this.#kv === null ? await openTables(kvPath, this.#logger) : null;
    if (opened !== null) this.#goOnWith(opened);
  }

  /** Goes on with what the health worker before this one has left, and writes there from now on. */
  #goOnWith({ kv, kvPath, writer, stored }: OpenedTables): void {
    this.#kv = kv;
    this.#monitor.restore(stored);
    this.#tables.writer = writer;
    this.#keepHouse({ ...this.#init, config: this.#targets.config, kvPath }, this.#logger);
  }

  /** The disk tier's janitor and the keeper of its filter work here, off the requests' way, and alone. */
  #keepHouse({ kvPath, config, diskFilter: memory }: InitMessage, logger: Logger): void {
    const limitBytes = config.cache.diskBytes;
    if (this.#kv === null || limitBytes === 0) return;
    this.#janitor = createKvJanitor({
      ...{ kv: this.#kv, path: kvPath, clock: systemClock, log: logger, limitBytes },
      quotaBytes: this.#quotas.of,
    });
    const keeper = memory && new KvFilterKeeper({ kv: this.#kv, memory, clock: systemClock, log: logger });
    const { signal } = this.#ending;
    this.#house = Promise.all([this.#janitor.run(signal, JANITOR_EVERY_MS), keeper?.run(signal)]);
  }

  peer(peer: PeerName, port: MessagePort): void {
    const { ports } = this.#tables;
    ports.get(peer)?.close();
    ports.set(peer, port);
    port.onmessage = (event: MessageEvent<readonly PoolReport[]>) => this.#monitor.report(event.data);
    if (this.#kv === null) port.postMessage(this.#monitor.tables());
  }

  peerGone(peer: PeerName): void {
    this.#tables.ports.get(peer)?.close();
    this.#tables.ports.delete(peer);
  }

  prepare(generation: number, config: Config): void {
    this.#prepared = targetsOf({ generation, config }, this.#keys, this.#targets.transports);
  }

  commit(): void {
    if (this.#prepared === null) return;
    const before = this.#targets;
    this.#targets = this.#prepared;
    this.#prepared = null;
    this.#monitor.reconfigure(this.#targets.pools);
    this.#quotas.reconfigure(this.#targets.config);
    this.#janitor?.limit(this.#targets.config.cache.diskBytes);
    closeOthers(before, this.#targets);
  }

  check(pool: string, upstream: string): Promise<CheckResult | null> {
    return this.#monitor.check(pool, upstream);
  }

  /** It serves nothing. */
  purge(): null {
    return null;
  }

  /** It serves nothing. */
  prewarm(): Promise<PrewarmResult> {
    return Promise.resolve({ outcome: "busy", detail: null, bytes: 0 });
  }

  /** It has no balancers. */
  read(): Promise<ReadResult> {
    return Promise.resolve({ outcome: "busy", body: null, detail: null, retryAfterMs: null });
  }

  abort(): void {
    if (this.#prepared !== null) closeOthers(this.#prepared, this.#targets);
    this.#prepared = null;
  }

  report(): WorkerReport {
    return {
      generation: this.#targets.generation,
      counts: { listeners: {}, pools: {}, upstreams: {}, credentials: {}, forwardProxies: {} },
      memory: null,
      disk: null,
      diskProblem: null,
      byListener: {},
      purgeRules: 0,
      flights: 0,
      backgroundTasks: 0,
      connections: {},
      resilience: null,
      loopLagMs: this.#loop.takeWorstMs(),
      loop: this.#loop.counts,
      heapBytes: Deno.memoryUsage().heapUsed,
      health: this.#monitor.tables(),
    };
  }

  async leave(): Promise<void> {
    this.#ending.abort();
    await this.#house;
    this.#monitor.close();
    this.#tables.writer = null;
    this.#kv?.close();
    this.#kv = null;
  }

  async stop(): Promise<void> {
    await this.leave();
    this.#loop.close();
    for (const port of this.#tables.ports.values()) port.close();
    for (const transport of this.#targets.transports.values()) transport.close();
  }
}

/** A KV file, and what the health worker before this one has left in it. */
interface OpenedTables {
  readonly kv: Deno.Kv;
  readonly kvPath: string;
  readonly writer: HealthWriter;
  readonly stored: StoredHealth;
}

/** `null` where the file cannot be opened. */
async function openTables(kvPath: string, logger: Logger): Promise<OpenedTables | null> {
  const kv = await openKvFile(kvPath, { clock: systemClock, log: logger });
  if (kv === null) return null;
  const writer = new HealthWriter(new KvStateStore(kv));
  return { kv, kvPath, writer, stored: await writer.load(systemClock.now()) };
}

/** Without Deno KV the serving workers are told over their ports. */
function tell(ports: ReadonlyMap<PeerName, MessagePort>, tables: readonly HealthTable[]): Promise<void> {
  for (const port of ports.values()) port.postMessage(tables);
  return Promise.resolve();
}

/** What checks find out about keys holds for all workers. */
function keysOf({ sharedLimits, index }: InitMessage, logger: Logger): CheckedKeys {
  const limits = new Limits(sharedLimits, index);
  return {
    keyCells: (pool, digest) => limits.keyCells(pool, digest),
    onKeyEvent: (pool, event) => logKeyEvent(logger, pool, event),
  };
}

function targetsOf(
  { generation, config }: ConfigGeneration,
  keys: CheckedKeys,
  known: ReadonlyMap<string, Transport>,
): Targets {
  const transports = new Map<string, Transport>();
  const transportOf = (upstream: UpstreamConfig) => {
    const signature = transportSignature(upstream);
    const transport = transports.get(signature) ?? known.get(signature) ?? createTransport(upstream, systemClock);
    transports.set(signature, transport);
    return transport;
  };
  return {
    generation,
    config,
    pools: monitoredPools(config, { clock: systemClock, transportOf, ...keys }),
    transports,
  };
}

/** Closes the transports of `given` that `kept` does not use. */
function closeOthers(given: Targets, kept: Targets): void {
  for (const [signature, transport] of given.transports) if (!kept.transports.has(signature)) transport.close();
}

function logTransition(logger: Logger, transition: Transition): void {
  const { pool, id, from, to, reason } = transition;
  const isGood = to === "healthy" || to === "half_open" || to === "unknown";
  logger[isGood ? "info" : "warn"]("An upstream changed its state", { pool, upstream: id, from, to, reason });
}
