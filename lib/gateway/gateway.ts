import { Collapse } from "../cache/flights/collapse.ts";
import { FillBudget } from "../cache/flights/fill.ts";
import { InvalidationTable } from "../cache/flights/invalidation_table.ts";
import { ValidationTable } from "../cache/flights/validation_table.ts";
import { LEASE_BYTES, LeaseTable, VALIDATIONS_AT } from "../cache/flights/lease_table.ts";
import type { Store } from "../cache/store.ts";
import type { SharedTier } from "../cluster/shared_tier.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import type { UpstreamConfig } from "../config/upstream.ts";
import { RequestSight } from "../request/request_sight.ts";
import { BackgroundTasks, type Services, type Settings } from "../request/services.ts";
import type { Snapshot } from "../request/snapshot.ts";
import { addressMatcher } from "../http/forwarded.ts";
import type { ImageConverter } from "../image/conversion.ts";
import { AccessLog } from "../logging/access_log.ts";
import type { Logger } from "../logging/logger.ts";
import { Repeats } from "../logging/repeats.ts";
import { newWorkerCounts, type WorkerCounts } from "../metrics/gateway_metrics.ts";
import type { OutcomeBatch } from "../pool/outcome.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { HealthTable } from "../pool/upstream_health.ts";
import type { SpanCounts } from "../tracing/span_exporter.ts";
import type { Transport } from "../upstream_client/transport.ts";
import { compileSnapshot } from "./compile.ts";
import { createTransport, transportSignature } from "./compile_pool.ts";
import { logKeyEvent } from "./key_event.ts";
import { Limits, newSharedLimits, type SharedLimits } from "./limits.ts";
import { largestStoredBytes } from "./memory_share.ts";
import { type ResilienceState, resilienceState } from "./resilience_state.ts";
import { type PreparedTracing, Tracing } from "./tracing.ts";

/** Background tasks at a time; beyond it optional ones (revalidation) are left out. */
const MAX_BACKGROUND_TASKS = 1_000;

/** Time for the last spans to be sent, where requests have used up the grace of a stop. */
const MIN_FLUSH_MS = 500;

const NONE: ReadonlySet<string> = new Set();

/** An upstream that an operator has drained: both names as the configuration has them. */
export interface DrainedUpstream {
  readonly pool: string;
  readonly upstream: string;
}

/** What a gateway is made of. */
export interface GatewayOptions {
  readonly store: Store;
  /**
   * What it shares with the other gateways of its cluster.
   * @default it is alone
   */
  readonly shared?: SharedTier | null;
  /**
   * Settles when the other workers have forgotten what was deleted from the store so far.
   * @default there are no others
   */
  readonly forgotten?: () => Promise<void>;
  /**
   * See {@linkcode Services.recordWrite}.
   * @default nothing outlives the process
   */
  readonly recordWrite?: (type: string, tags: readonly string[]) => void;
  /**
   * See {@linkcode Services.tellChanged}.
   * @default there are no others
   */
  readonly tellChanged?: (keys: readonly string[]) => void;
  readonly leaseMemory: SharedArrayBuffer;
  /** Index of this worker. */
  readonly worker: number;
  readonly instanceId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Config;
  /** What limits are counted in, shared by all workers; its own where this worker is alone. */
  readonly sharedLimits?: SharedLimits;
  /**
   * Converts pictures for listeners that want it.
   * @default nobody does
   */
  readonly images?: ImageConverter;
  /**
   * How upstreams are reached.
   * @default by the transport that their configuration asks for
   */
  readonly transportTo?: (upstream: UpstreamConfig) => Transport;
}

/** A snapshot that is ready to take over, and the transports it needs. */
export interface Prepared {
  readonly snapshot: Snapshot;
  readonly settings: Settings;
  readonly transports: ReadonlyMap<string, Transport>;
  readonly limits: Limits;
  readonly tracing: PreparedTracing | null;
}

/** One worker's gateway: holds the snapshot in force, makes the next one, and swaps them. */
export class Gateway {
  readonly services: Services;
  readonly #options: GatewayOptions;
  readonly #counts: WorkerCounts = newWorkerCounts();
  /** By signature; shared by all pools with the same upstream. */
  #transports: ReadonlyMap<string, Transport> = new Map();
  #snapshot: Snapshot;
  #limits: Limits;
  readonly #tracing: Tracing;
  /** Transports of snapshots before, until they are closed. */
  readonly #retired = new Map<Transport, ReturnType<typeof setTimeout>>();
  /** Health as last told, for pools that a reload adds again. */
  readonly #health = new Map<string, HealthTable>();
  /** Upstreams that operators have drained; by pool. */
  #drained: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  /** Called when this worker takes an upstream out by itself, or in again: {@linkcode drainReports} is not to wait. */
  onBreaker: (() => void) | null = null;

  constructor(options: GatewayOptions, generation: number) {
    this.#options = options;
    const { store, clock, logger, config } = options;
    const budget = new FillBudget(config.cache.fillMemoryBytes);
    const { shared = null } = options;
    this.services = {
      store,
      shared,
      collapse: new Collapse({
        leases: new LeaseTable(options.leaseMemory, options.worker),
        clock,
        timeoutMs: config.cache.collapseTimeoutMs,
        budget,
        adopt: (response) => store.adopt(response),
        isOnItsWay: (key) => store.isOnItsWay(key),
      }),
      forgotten: () => forgotten(options.forgotten, shared),
      recordWrite: options.recordWrite ?? (() => {}),
      tellChanged: options.tellChanged ?? (() => {}),
      budget,
      background: new BackgroundTasks(MAX_BACKGROUND_TASKS, (error) => this.#backgroundFailed(error)),
      invalidations: new InvalidationTable(options.leaseMemory, LEASE_BYTES),
      validations: new ValidationTable(options.leaseMemory, VALIDATIONS_AT),
      images: options.images ?? { convert: () => Promise.resolve({ kind: "unavailable", detail: "nobody converts" }) },
      clock,
      logger,
      sight: new RequestSight(clock.now()),
      repeats: new Repeats({ logger }),
      nextRequestId: requestIds(),
      instanceId: options.instanceId,
      settings: settingsOf(config),
      tracer: null,
    };
    this.#tracing = new Tracing(this.services);
    this.#limits = new Limits(options.sharedLimits ?? newSharedLimits(options.worker + 1), options.worker);
    const prepared = this.prepare(config, generation);
    this.#limits = prepared.limits;
    this.#snapshot = prepared.snapshot;
    this.#transports = prepared.transports;
    this.#traceBy(prepared.tracing);
  }

  /** The snapshot in force. A request takes it once and keeps it to its end. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** What became of this worker's spans; `null` while nothing was ever traced. */
  get spans(): SpanCounts | null {
    return this.#tracing.counts;
  }

  /** What this worker has counted. */
  get counts(): WorkerCounts {
    return this.#counts;
  }

  /**
   * Compiles a configuration beside the one in force.
   *
   * @throws {Error} when it cannot be compiled; nothing has changed then
   */
  prepare(config: Config, generation: number): Prepared {
    const transports = new Map<string, Transport>();
    const transportOf = (upstream: UpstreamConfig) => {
      const signature = transportSignature(upstream);
      const transport = transports.get(signature) ?? this.#transports.get(signature) ??
        (this.#options.transportTo?.(upstream) ?? createTransport(upstream, this.#options.clock));
      transports.set(signature, transport);
      return transport;
    };
    const limits = this.#limits.next();
    const snapshot = compileSnapshot(config, generation, {
      limits,
      clock: this.#options.clock,
      counts: this.#counts,
      transportOf,
      onBreaker: (pool, upstream) => this.#breakerChanged(pool, upstream),
      onKeyEvent: (pool, event) => logKeyEvent(this.services.logger.in("upstream"), pool, event),
    });
    const tracing = this.#tracing.prepare(config.tracing);
    return { snapshot, settings: settingsOf(config), transports, limits, tracing };
  }

  /** Puts a prepared snapshot in force. Requests under way end on the one they began with. */
  commit(prepared: Prepared): void {
    const nowMs = this.#options.clock.now();
    const before = new Map(this.#snapshot.pools.map((runtime) => [runtime.name, runtime.pool]));
    for (const { name, pool } of prepared.snapshot.pools) {
      const same = before.get(name);
      if (same !== undefined) pool.carryOver(same, nowMs);
      const table = this.#health.get(name);
      if (table !== undefined) pool.apply(table);
    }
    this.#drainPools(prepared.snapshot);
    const patienceMs = longestWaitMs(this.#snapshot, this.#options.config);
    this.#snapshot = prepared.snapshot;
    this.services.settings = prepared.settings;
    this.#traceBy(prepared.tracing);
    for (const [signature, transport] of this.#transports) {
      if (!prepared.transports.has(signature)) this.#retire(transport, patienceMs);
    }
    this.#transports = prepared.transports;
    this.#limits = prepared.limits;
  }

  /** Gives up a prepared snapshot. */
  abort(prepared: Prepared): void {
    for (const [signature, transport] of prepared.transports) {
      if (!this.#transports.has(signature)) transport.close();
    }
  }

  /** Takes in what the health worker says. */
  applyHealth(tables: readonly HealthTable[]): void {
    const pools = new Map(this.#snapshot.pools.map((runtime) => [runtime.name, runtime.pool]));
    for (const table of tables) {
      this.#health.set(table.pool, table);
      pools.get(table.pool)?.apply(table);
    }
  }

  /** Gives these upstreams no new requests, also where a reload brings them later, and gives all others some again. */
  drain(drained: readonly DrainedUpstream[]): void {
    const pools = Map.groupBy(drained, ({ pool }) => pool);
    this.#drained = new Map([...pools].map(([name, some]) => [name, new Set(some.map(({ upstream }) => upstream))]));
    this.#drainPools(this.#snapshot);
  }

  /** Forgets at another worker's word what a key holds, and what is on its way to it. */
  forget(key: string): void {
    this.services.collapse.detach(key);
  }

  /** What became of tries since the last call, by pool. */
  drainReports(): { readonly pool: string; readonly batches: readonly OutcomeBatch[] }[] {
    return this.#snapshot.pools
      .map(({ name, pool }) => ({ pool: name, batches: pool.drainReports() }))
      .filter(({ batches }) => batches.length > 0);
  }

  /** How pools and queues stand in this worker. */
  resilience(): ResilienceState {
    return resilienceState(this.#snapshot, this.#options.clock.now());
  }

  /** Open connections to upstreams, by pool. */
  connections(): Record<string, number> {
    return Object.fromEntries(this.#snapshot.pools.map(({ name, endpoints }) => {
      const transports = new Set([...endpoints.values()].map((endpoint) => endpoint.transport));
      return [name, [...transports].reduce((sum, transport) => sum + transport.stats().open, 0)];
    }));
  }

  /** Waits for background work, at most `graceMs`, writes down what is queued and lets go of everything. */
  async close(graceMs: number): Promise<void> {
    const untilMs = performance.now() + graceMs;
    await this.services.background.drain(graceMs);
    await Promise.all([
      this.services.store.close(Math.max(0, untilMs - performance.now())),
      this.services.shared?.close(Math.max(0, untilMs - performance.now())),
    ]);
    this.services.collapse.close();
    await this.#tracing.close(Math.max(MIN_FLUSH_MS, untilMs - performance.now()));
    for (const transport of this.#transports.values()) transport.close();
    for (const [transport, timer] of this.#retired) {
      clearTimeout(timer);
      transport.close();
    }
  }

  #traceBy(tracing: PreparedTracing | null): void {
    this.#tracing.commit(tracing);
    this.services.tracer = this.#tracing.tracer;
  }

  #drainPools({ pools }: Snapshot): void {
    for (const { name, pool } of pools) pool.drain(this.#drained.get(name) ?? NONE);
  }

  /** Closes a transport when no request can be left that would begin a try with it: those under way end on the old snapshot. */
  #retire(transport: Transport, afterMs: number): void {
    transport.retire();
    const timer = setTimeout(() => {
      this.#retired.delete(transport);
      transport.close();
    }, afterMs);
    this.#retired.set(transport, timer);
  }

  #breakerChanged(pool: string, upstream: Upstream): void {
    const to = upstream.breakerState(this.#options.clock.now());
    const level = to === "open" ? "warn" : "info";
    this.services.logger.in("upstream")[level]("This worker's breaker changed its state", {
      pool,
      upstream: upstream.id,
      to,
    });
    this.onBreaker?.();
  }

  #backgroundFailed(error: unknown): void {
    this.#options.logger.in("cache").debug("Background work failed", { problem: messageOf(error) });
  }
}

/** How long the answer to a request that changed something waits for the tier that gateways share. */
const DELETED_WITHIN_MS = 50;

/** Settles when what was deleted here is gone elsewhere too. */
async function forgotten(others: (() => Promise<void>) | undefined, shared: SharedTier | null): Promise<void> {
  await Promise.all([others?.(), shared?.deleted(DELETED_WITHIN_MS)]);
}

/** How long after it was received a request may begin its last try: it may have waited for another's fetch before. */
function longestWaitMs(snapshot: Snapshot, config: Config): number {
  return config.cache.collapseTimeoutMs + Math.max(0, ...snapshot.pools.map(({ totalMs }) => totalMs));
}

function settingsOf(config: Config): Settings {
  return {
    name: config.server.name,
    accessLog: new AccessLog(config.logging.access),
    clientDetail: config.logging.client,
    isTrusted: addressMatcher(config.server.trustedProxies),
    maxEntryBytes: largestStoredBytes(config),
    fillTimeoutMs: config.cache.fillTimeoutMs,
    backgroundFill: config.cache.backgroundFill,
  };
}

/** Ids that are unique in practice and cost next to nothing: a random beginning for each worker, then a count. */
function requestIds(): () => string {
  const beginning = crypto.randomUUID().replaceAll("-", "").slice(0, 12);
  let count = 0;
  return () => `${beginning}-${(count++).toString(36)}`;
}
