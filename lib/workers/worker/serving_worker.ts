import type { ClientName } from "../../clients/client_requests.ts";
import type { PurgeRule } from "../../cache/purge/purge_rules.ts";
import { schedule, systemClock } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { Snapshot } from "../../request/snapshot.ts";
import { type DrainedUpstream, Gateway, type Prepared } from "../../gateway/gateway.ts";
import { type HealthWatch, watchHealth } from "../../health/health_reader.ts";
import { type ConverterBounds, RemoteConverter } from "../../image/image_port.ts";
import type { Logger } from "../../logging/logger.ts";
import type { HealthTable } from "../../pool/upstream_health.ts";
import { KvStateStore } from "../../state/kv_state_store.ts";
import type { StateStore } from "../../state/state_store.ts";
import type { Challenges } from "../../server/acme_challenge.ts";
import { openPulse } from "../../wire/loop_pulse.ts";
import { loopTurns } from "../../wire/loop_turns.ts";
import { compileServerLimits } from "../../gateway/server_limits.ts";
import { refuse } from "../../pipeline/pipeline.ts";
import { refusedMessage } from "../../request/client_error.ts";
import { ConnectionGate } from "../../server/connection_gate.ts";
import { HttpServer } from "../../server/http_server.ts";
import { SHARES_PORTS } from "../../server/listen_target.ts";
import type {
  InitMessage,
  LookUpOrder,
  LookUpResult,
  PeerName,
  PrewarmResult,
  ReadResult,
  SightAnswer,
  SightQuestion,
  TakeDisk,
  WorkerReport,
} from "../messages.ts";
import { PrewarmFetcher } from "../operations/prewarm_fetch.ts";
import { ChangeNotices } from "./change_notices.ts";
import { handlerAt, type RequestHandler } from "./address_handler.ts";
import { ListenSet } from "./listen_set.ts";
import { lookUp } from "./look_up.ts";
import { LoopMonitor } from "./loop_monitor.ts";
import { runWorker, tellSupervisor, type WorkerRole } from "./worker_runtime.ts";
import { WorkerStore } from "./worker_store.ts";

/** How often the health worker is sent the outcomes of attempts; at once when this worker takes an upstream out by itself. */
const REPORT_EVERY_MS = 20;

/** Where another process takes its place, a worker has the disk so long for requests under way: most end in that time. */
const LEAVE_MS = 2_000;
/** And so long to write what they brought. */
const RELEASE_MS = 5_000;

/** Runs this worker as a serving worker, until the supervisor ends it. */
export function runServingWorker(handler: RequestHandler): void {
  runWorker((init, logger) => ServingWorker.open(init, logger, handler));
}

class ServingWorker implements WorkerRole {
  readonly #gateway: Gateway;
  readonly #listen: ListenSet;
  readonly #server: HttpServer;
  readonly #descriptors: number;
  readonly #store: WorkerStore;
  readonly #logger: Logger;
  #watch: HealthWatch | null = null;
  readonly #prewarm = new PrewarmFetcher();
  readonly #images: RemoteConverter;
  readonly #changes: ChangeNotices;
  readonly #loop = new LoopMonitor();
  readonly #reporter: ReturnType<typeof setInterval>;
  /** Of an authority that gives certificates, answered before all else. */
  challenges: Challenges;
  #health: MessagePort | null = null;
  #prepared: { readonly gateway: Prepared; readonly config: Config } | null = null;

  private constructor(
    parts: {
      gateway: Gateway;
      listen: ListenSet;
      server: HttpServer;
      descriptors: number;
      store: WorkerStore;
      logger: Logger;
      images: RemoteConverter;
      changes: ChangeNotices;
      challenges: Challenges;
    },
  ) {
    this.#images = parts.images;
    this.#changes = parts.changes;
    this.challenges = parts.challenges;
    this.#gateway = parts.gateway;
    this.#listen = parts.listen;
    this.#server = parts.server;
    this.#descriptors = parts.descriptors;
    this.#store = parts.store;
    this.#logger = parts.logger;
    this.#watchHealth();
    this.#reporter = setInterval(() => this.#report(), REPORT_EVERY_MS);
    this.#gateway.onBreaker = () => this.#report();
  }

  static async open(init: InitMessage, logger: Logger, handler: RequestHandler): Promise<ServingWorker> {
    const { config } = init;
    loopTurns.useLook(await openPulse());
    const store = await WorkerStore.open(init, logger.in("cache"));
    const { leaseMemory, sharedLimits, instanceId, index, generation } = init;
    const images = new RemoteConverter(conversionBounds(config));
    const changes = new ChangeNotices(tellSupervisor, config.cluster !== null);
    const gateway = new Gateway(
      {
        ...{
          store: store.store,
          shared: store.shared?.tier ?? null,
          forgotten: async () => void await Promise.all([store.forgotten(), changes.settled()]),
          recordWrite: (type: string, tags: readonly string[]) => changes.written(type, tags),
          tellChanged: (keys: readonly string[]) => changes.changed(keys),
          leaseMemory,
          sharedLimits,
          worker: index,
          instanceId,
        },
        ...{ clock: systemClock, logger, config, images },
      },
      generation,
    );
    gateway.drain(init.drained);
    if (index === 0) store.shared?.compare(instanceId, () => gateway.snapshot.tenants);
    const server = serverFor(init, gateway, logger);
    let worker: ServingWorker | null = null;
    const listen: ListenSet = new ListenSet({
      server,
      handlerFor: (address) =>
        handlerAt(address, {
          gateway,
          handler,
          challenges: () => worker?.challenges ?? init.challenges,
          boundAs: (other) => listen.boundAs(other),
        }),
      servesAlone: init.servesAlone,
      sharesPorts: SHARES_PORTS && config.server.reusePort !== false,
      onProblem: (problem) => logger.warn("An address is not served as it should be", { problem }),
    });
    await listen.open(gateway.snapshot.listens);
    const { descriptors, challenges } = init;
    server.setChallenges(challenges);
    const parts = { gateway, listen, server, descriptors, store, logger, images, changes, challenges };
    return worker = new ServingWorker(parts);
  }

  peer(peer: PeerName, port: MessagePort): void {
    if (peer === "image") return this.#images.connect(port);
    if (peer !== "health") return this.#meet(peer, port);
    this.#health?.close();
    this.#health = port;
    // Only where Deno KV cannot be used, or not yet: else tables come by watching it.
    port.onmessage = (event: MessageEvent<readonly HealthTable[]>) => this.#gateway.applyHealth(event.data);
  }

  peerGone(peer: number | "image"): void {
    if (peer === "image") return this.#images.close();
    this.#gateway.services.collapse.peers.disconnect(peer);
    this.#store.disconnect(peer);
  }

  async takeDisk(order: TakeDisk): Promise<void> {
    await this.#store.takeDisk(order);
    this.#watchHealth();
  }

  async prepare(generation: number, config: Config): Promise<void> {
    this.#prepared = { gateway: this.#gateway.prepare(config, generation), config };
    await this.#listen.open(this.#prepared.gateway.snapshot.listens);
  }

  async takeSockets(): Promise<void> {
    await this.#listen.takeOver(this.#gateway.snapshot.listens);
  }

  async leave(): Promise<void> {
    await this.#listen.leave(LEAVE_MS);
    await this.#watch?.close();
    this.#watch = null;
    await this.#store.disk.release(RELEASE_MS);
  }

  async serveAlone(): Promise<void> {
    // What a reload that is under way opens too: this worker was not alone yet when it was asked to.
    await this.#listen.serveAlone(
      () => new Map([...this.#gateway.snapshot.listens, ...this.#prepared?.gateway.snapshot.listens ?? []]),
    );
  }

  commit(): void {
    if (this.#prepared === null) return;
    this.#gateway.commit(this.#prepared.gateway);
    this.#store.reconfigure(this.#prepared.config);
    this.#images.reconfigure(conversionBounds(this.#prepared.config));
    // Others may be trusted from now on.
    this.#server.peers.clear();
    this.#server.setLimits(compileServerLimits(this.#prepared.config.server.limits, this.#descriptors));
    this.#prepared = null;
    this.#listen.keepOnly(this.#gateway.snapshot.listens);
  }

  abort(): void {
    if (this.#prepared === null) return;
    this.#gateway.abort(this.#prepared.gateway);
    this.#prepared = null;
    this.#listen.keepOnly(this.#gateway.snapshot.listens);
  }

  purge(rules: readonly PurgeRule[], counts: boolean): readonly number[] | null {
    const named = counts ? this.#store.named(rules) : null;
    this.#store.purge(rules);
    this.#gateway.services.collapse.detachAll((response) => this.#store.keeps(response));
    return named;
  }

  forget(keys: readonly string[]): void {
    for (const key of keys) {
      this.#gateway.forget(key);
      this.#store.store.forget(key);
    }
  }

  changeTold(id: number): void {
    this.#changes.told(id);
  }

  answer(challenges: Challenges): void {
    this.challenges = challenges;
    this.#server.setChallenges(challenges);
  }

  drain(drained: readonly DrainedUpstream[]): void {
    this.#gateway.drain(drained);
  }

  prewarm(listener: string, url: string, clients: readonly ClientName[]): Promise<PrewarmResult> {
    const { services, snapshot } = this.#gateway;
    return this.#prewarm.fetch({ services, snapshot }, { listener, url, clients });
  }

  read(pool: string, target: string): Promise<ReadResult> {
    const { services, snapshot } = this.#gateway;
    return this.#prewarm.read({ services, snapshot }, pool, target);
  }

  look(question: SightQuestion): SightAnswer {
    const { services: { sight, clock }, snapshot } = this.#gateway;
    const nowMs = clock.now();
    switch (question.kind) {
      case "slow":
        return { requests: sight.memory.slowest(nowMs, question.listener), top: null };
      case "request":
        return { requests: sight.memory.find(nowMs, question.id), top: null };
      case "top":
        return { requests: [], top: sight.heaviest(nowMs, strippedPrefixes(snapshot)) };
    }
  }

  lookUp(order: LookUpOrder): Promise<LookUpResult | null> {
    const { services, snapshot } = this.#gateway;
    return lookUp({ services, snapshot, store: this.#store }, order);
  }

  report(): WorkerReport {
    const { services, snapshot, counts } = this.#gateway;
    return {
      generation: snapshot.generation,
      counts,
      ...this.#store.figures(),
      flights: services.collapse.size,
      backgroundTasks: services.background.size,
      connections: this.#gateway.connections(),
      resilience: this.#gateway.resilience(),
      loopLagMs: this.#loop.takeWorstMs(),
      loop: this.#loop.counts,
      heapBytes: Deno.memoryUsage().heapUsed,
      listening: this.#listen.listening(),
      server: this.#server.counts,
      peers: this.#server.peers.figures(),
      spans: this.#gateway.spans,
      health: null,
    };
  }

  windDown(): void {
    this.#server.windDown();
  }

  async stop(graceMs: number): Promise<void> {
    const untilMs = performance.now() + graceMs;
    await this.#listen.close(graceMs);
    clearInterval(this.#reporter);
    this.#loop.close();
    this.#images.close();
    await this.#gateway.close(Math.max(500, untilMs - performance.now()));
    await this.#watch?.close();
    this.#store.disk.close();
    this.#store.shared?.close();
    this.#health?.close();
  }

  /** Follows the tables in Deno KV, where there is one. */
  #watchHealth(): void {
    const { kv } = this.#store.disk;
    if (kv === undefined || this.#watch !== null) return;
    this.#watch = watchTables(new KvStateStore(kv), this.#gateway, this.#logger.in("upstream"));
  }

  #meet(peer: number, port: MessagePort): void {
    this.#gateway.services.collapse.peers.connect(peer, port);
    this.#store.connect(peer, port, (key) => this.#gateway.forget(key));
  }

  #report(): void {
    if (this.#health === null) return;
    const reports = this.#gateway.drainReports();
    if (reports.length > 0) this.#health.postMessage(reports);
  }
}

/** The server of a worker: it refuses in the shape of the gateway's other refusals, and counts with the other workers. */
function serverFor(init: InitMessage, gateway: Gateway, logger: Logger): HttpServer {
  const limits = compileServerLimits(init.config.server.limits, init.descriptors);
  const gate = new ConnectionGate(init.connections, init.index, limits);
  // What the worker before this one still held is gone with it.
  gate.clearSlot();
  return new HttpServer({
    limits,
    gate,
    refuse: (error) => refuse(gateway.services, refusedMessage(error)),
    isTrusted: (address) => gateway.services.settings.isTrusted(address),
    clock: systemClock,
    onFault: (error) => logger.error("A reply could not be written", { cause: String(error) }),
  });
}

/** Prefixes that keys do not have, by listener. */
function strippedPrefixes({ tenants }: Snapshot): ReadonlyMap<string, string> {
  const stripping = tenants.filter(({ stripPrefix, prefix }) => stripPrefix && prefix !== "/");
  return new Map(stripping.map(({ name, prefix }) => [name, prefix]));
}

/** An answer comes in the time that one may wait and take, or its worker is lost. */
function conversionBounds({ images }: Config): ConverterBounds {
  return { maxPending: images.queue + images.concurrency, patienceMs: images.timeoutMs * 4 + 10_000 };
}

function watchTables(state: StateStore, gateway: Gateway, logger: Logger): HealthWatch {
  return watchHealth(state, (tables) => gateway.applyHealth(tables), {
    now: () => systemClock.now(),
    schedule,
    onTrouble: (error) => logger.warn("Health cannot be read from Deno KV", { problem: String(error) }),
  });
}
