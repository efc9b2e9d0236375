import { messageOf } from "../../errors.ts";
import { sweepLeases } from "../../cache/flights/lease_table.ts";
import type { PurgeRule } from "../../cache/purge/purge_rules.ts";
import { wantsImageWorker } from "../../gateway/compile_images.ts";
import { sweepLimits } from "../../gateway/limits.ts";
import { addCounts, newWorkerCounts, type WorkerCounts } from "../../metrics/gateway_metrics.ts";
import { type Challenges, NO_CHALLENGES } from "../../server/acme_challenge.ts";
import { addDrained, type Drained } from "../drained.ts";
import { retire } from "../figures/lasting_counts.ts";
import type { ConfigGeneration, FromWorker, InitMessage, ToWorker } from "../messages.ts";
import { type PurgeSpread, purgeSpread } from "../operations/purge_desk.ts";
import type { FleetOptions } from "./fleet_options.ts";
import { newSlot, peerName, type Slot } from "./slot.ts";
import { commitIn, prepareIn, putAway } from "./preparation.ts";
import { replaceUnless, WorkerHandle } from "./worker_handle.ts";
import { workerPermissions, type WrittenPlaces } from "./worker_permissions.ts";

/** A small machine under load takes its time; one that hangs is found out all the same. */
const START_TIMEOUT_MS = 120_000;
const HEARTBEAT_MS = 1_000;
const PING_TIMEOUT_MS = 2_000;
/** Longer than a worker takes to let go of its sockets and of the disk. */
const LEAVE_TIMEOUT_MS = 30_000;

/** No worker listens where only one can. */
const NOBODY = -1;

/** All workers: started, watched, replaced, told of each other and of new configurations. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #lasting: readonly Slot[];
  readonly #image: Slot;
  /** Where the workers write that were started first. */
  readonly #places: WrittenPlaces;
  #current: ConfigGeneration;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  /** Workers on their way up. */
  readonly #starting = new Map<Slot, WorkerHandle>();
  /** Of purges and challenges. */
  #lastId = 0;
  #challenges: Challenges = NO_CHALLENGES;
  #restarts = new Map<Slot, ReturnType<typeof setTimeout>>();
  #stopping = false;
  /** The serving worker that listens where only one can. */
  #aloneIndex: number;
  #kvPath: string | null;

  constructor(options: FleetOptions, first: ConfigGeneration) {
    this.#options = options;
    this.#current = first;
    this.#kvPath = options.kvPath;
    this.#aloneIndex = options.takesOver === true ? NOBODY : 0;
    this.#places = { dataDir: first.config.server.dataDir, listeners: first.config.listeners };
    const serving = Array.from({ length: options.servingWorkers }, (_, index) => newSlot("serving", index));
    this.#lasting = [...serving, newSlot("health", options.servingWorkers)];
    this.#image = newSlot("image", this.#lasting.length);
  }

  /** Places of workers that there are to be, by the configuration in force. */
  get slots(): readonly Slot[] {
    return wantsImageWorker(this.#current.config) ? [...this.#lasting, this.#image] : this.#lasting;
  }

  /** The configuration that all workers serve by. */
  get current(): ConfigGeneration {
    return this.#current;
  }

  /** Workers that are up. */
  get live(): readonly WorkerHandle[] {
    return this.slots.flatMap((slot) => slot.handle?.alive ? [slot.handle] : []);
  }

  /** Serving workers that are up. */
  get liveServing(): number {
    return this.slots.filter((slot) => slot.role === "serving" && slot.handle !== null).length;
  }

  /**
   * Starts every worker.
   *
   * @throws {Error} when no serving worker starts; says why the first one did not
   */
  async start(): Promise<void> {
    const outcomes = await Promise.allSettled(this.slots.map((slot) => this.#startSlot(slot)));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (this.liveServing === 0) throw failed?.reason ?? new Error("No worker could be started");
    if (!this.#stopping) this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
  }

  /** Brings a new configuration into every worker, or into none; answers why not, or `null`. */
  async reload(next: ConfigGeneration): Promise<string | null> {
    const handles = this.live;
    const { generation } = next;
    const problem = await prepareIn(handles, next);
    if (problem !== null) {
      putAway(handles, next);
      return problem;
    }
    this.#current = next;
    // A worker that came up while the others prepared has the configuration before and was not asked.
    const late = this.live.filter((handle) => !handles.includes(handle));
    await Promise.all([
      ...handles.map((handle) => replaceUnless(handle, commitIn(handle, generation))),
      ...late.map((handle) => replaceUnless(handle, this.#catchUp(handle))),
    ]);
    this.#tendImageWorker();
    return null;
  }

  /** Has every worker prepare a configuration and put it away again; answers why it could not be taken, or `null`. */
  async tryOut(next: ConfigGeneration): Promise<string | null> {
    const handles = this.live;
    const problem = await prepareIn(handles, next);
    putAway(handles, next);
    return problem;
  }

  /**
   * Brings rules that the supervisor has recorded into every serving worker, those that are starting included. When it returns, none
   * serves what they purge: a worker that does not answer is replaced.
   */
  async purge(rules: readonly PurgeRule[], counts = false): Promise<PurgeSpread> {
    const id = ++this.#lastId;
    const isDone = (told: FromWorker) => told.type === "purged" && told.id === id;
    return purgeSpread(await this.tellServing({ type: "purge", id, rules, counts }, isDone));
  }

  /** Has every serving worker forget what these keys hold; returns when they have. */
  async forget(keys: readonly string[]): Promise<void> {
    const id = ++this.#lastId;
    await this.tellServing({ type: "forget", id, keys }, (told) => told.type === "forgot" && told.id === id);
  }

  /** Has every worker use the KV file that another process had until now; one that does not is replaced. */
  async takeDisk(kvPath: string, purgePosition: number): Promise<void> {
    this.#kvPath = kvPath;
    await this.#tell({ type: "take-disk", kvPath, purgePosition }, (told) => told.type === "disk-taken", {
      roles: ["serving", "health"],
    });
  }

  /**
   * Has one worker listen where only one can, in the place of another process.
   *
   * @throws {Error} where it cannot
   */
  async takeSockets(): Promise<void> {
    const heir = this.slots.find(({ role, handle }) => role === "serving" && handle !== null);
    if (this.#aloneIndex !== NOBODY || heir === undefined) return;
    this.#aloneIndex = heir.index;
    const isTaken = (told: FromWorker) => told.type === "sockets-taken";
    const answer = await heir.handle!.call({ type: "take-sockets" }, isTaken, START_TIMEOUT_MS);
    if (answer.type === "sockets-taken" && answer.error !== null) throw new Error(answer.error);
  }

  /** Has every worker stop listening and let go of the KV file; what is under way goes on until they are stopped. */
  async leave(): Promise<void> {
    this.#kvPath = null;
    const isLeft = (told: FromWorker) => told.type === "left";
    await this.#tell({ type: "leave" }, isLeft, { roles: ["serving", "health"], timeoutMs: LEAVE_TIMEOUT_MS });
  }

  /** Has every serving worker answer these challenges, and no others. */
  async setChallenges(challenges: Challenges): Promise<void> {
    const id = ++this.#lastId;
    this.#challenges = challenges;
    const isDone = (told: FromWorker) => told.type === "challenged" && told.id === id;
    await this.tellServing({ type: "challenges", id, challenges }, isDone);
  }

  /** Tells every serving worker, as {@linkcode Fleet.purge} does; `null` for one that did not answer and is replaced. */
  tellServing(message: ToWorker, isDone: (answer: FromWorker) => boolean): Promise<(FromWorker | null)[]> {
    return this.#tell(message, isDone, { roles: ["serving"] });
  }

  /** Tells every worker of these roles, those that are starting included; one that does not answer is replaced, and has `null` for it. */
  #tell(
    message: ToWorker,
    isDone: (answer: FromWorker) => boolean,
    { roles, timeoutMs = this.#options.silenceMs }: {
      readonly roles: readonly Slot["role"][];
      readonly timeoutMs?: number;
    },
  ): Promise<(FromWorker | null)[]> {
    const told = this.slots.filter(({ role }) => roles.includes(role));
    const live = told.flatMap(({ handle }) => handle?.alive ? [handle] : []);
    const starting = told.flatMap((slot) => this.#starting.get(slot) ?? []);
    return Promise.all([...live, ...starting].map(async (handle) => {
      try {
        return await handle.call(message, isDone, starting.includes(handle) ? START_TIMEOUT_MS : timeoutMs);
      } catch {
        handle.kill(`did not take a message: ${message.type}`);
        return null;
      }
    }));
  }

  /** Asks every worker for a fresh report. */
  async refresh(): Promise<void> {
    await Promise.all(this.live.map((handle) => handle.ping(PING_TIMEOUT_MS)));
  }

  /** Everything that serving workers have counted since the start, replaced ones included. */
  counts(): WorkerCounts {
    const sum = newWorkerCounts();
    for (const slot of this.slots) {
      addCounts(sum, slot.retired.requests);
      if (slot.handle?.report) addCounts(sum, slot.handle.report.counts);
    }
    return sum;
  }

  /** Has every connection end after its next reply, while new ones are taken still. */
  windDown(): void {
    for (const handle of this.live) handle.post({ type: "wind-down" });
  }

  /** Lets every worker finish its requests, for at most `graceMs`, and ends it; returns how many finished. */
  async stop(graceMs: number): Promise<Drained> {
    this.#stopping = true;
    clearInterval(this.#heartbeat);
    for (const timer of this.#restarts.values()) clearTimeout(timer);
    for (const handle of this.#starting.values()) handle.terminate();
    const isStopped = (message: FromWorker) => message.type === "stopped";
    const answers = await Promise.all(this.live.map(async (handle) => {
      const answer = await handle.call({ type: "stop", graceMs }, isStopped, graceMs + 1_000).catch(() => null);
      handle.terminate();
      return answer?.type === "stopped" && answer.drained ? [answer.drained] : [];
    }));
    return addDrained(answers.flat(), this.slots.map(({ retired }) => retired.requests));
  }

  /** A reload may have made the first work for it, or taken the last away. */
  #tendImageWorker(): void {
    const slot = this.#image;
    const isWanted = this.slots.includes(slot);
    const isThere = slot.handle !== null || this.#starting.has(slot) || this.#restarts.has(slot);
    // If it dies, that is logged and the next start is scheduled.
    if (isWanted && !isThere && !this.#stopping) this.#startSlot(slot).catch(() => {});
    if (isWanted) return;
    clearTimeout(this.#restarts.get(slot));
    this.#restarts.delete(slot);
    this.#starting.get(slot)?.terminate();
    slot.handle?.terminate();
    slot.handle = null;
    for (const other of this.live) other.post({ type: "peer-gone", peer: "image" });
  }

  async #startSlot(slot: Slot): Promise<void> {
    const handle = new WorkerHandle({
      url: this.#options.url,
      name: slot.name,
      permissions: workerPermissions(slot.role, { ...this.#places, listeners: this.#current.config.listeners }),
      onDeath: (reason) => this.#died(slot, handle, reason),
      onChanged: this.#options.onChanged,
      onProblems: this.#options.onProblems,
    });
    const init: InitMessage = {
      type: "init",
      index: slot.index,
      kvPath: this.#kvPath,
      leaseMemory: this.#options.leaseMemory,
      diskFilter: this.#options.diskFilter,
      sharedLimits: this.#options.sharedLimits,
      connections: this.#options.connections,
      descriptors: this.#options.descriptors,
      servesAlone: slot.index === this.#aloneIndex,
      instanceId: this.#options.instanceId,
      purges: this.#options.purges(),
      drained: this.#options.drained(),
      challenges: this.#challenges,
      logLevels: this.#options.logLevels?.() ?? null,
      ...this.#current,
    };
    // In the same turn as the rules were read: a purge that comes from now on is told to this worker too.
    this.#starting.set(slot, handle);
    try {
      await handle.call(init, (message) => message.type === "ready", START_TIMEOUT_MS);
      for (let known = init.generation; known !== this.#current.generation;) known = await this.#catchUp(handle);
    } catch (error) {
      handle.kill(messageOf(error));
      throw error;
    } finally {
      this.#starting.delete(slot);
    }
    slot.handle = handle;
    // They may have been ordered while it started.
    handle.post({ type: "log-levels", override: this.#options.logLevels?.() ?? null });
    this.#introduce(slot);
    this.#options.onUp?.(slot, handle);
  }

  /** A reload may have gone through while the worker was starting; the generation that it has now. */
  async #catchUp(handle: WorkerHandle): Promise<number> {
    const next = this.#current;
    const problem = await prepareIn([handle], next);
    if (problem !== null) throw new Error(problem);
    await commitIn(handle, next.generation);
    return next.generation;
  }

  /** Gives the worker a port to each other one. */
  #introduce(slot: Slot): void {
    for (const other of this.slots) {
      if (other === slot || other.handle === null || slot.handle === null) continue;
      // Health and pictures have nothing to do with each other.
      if (other.role !== "serving" && slot.role !== "serving") continue;
      const channel = new MessageChannel();
      slot.handle.post({ type: "peer", peer: peerName(other) }, [channel.port1]);
      other.handle.post({ type: "peer", peer: peerName(slot) }, [channel.port2]);
    }
  }

  #died(slot: Slot, handle: WorkerHandle, reason: string): void {
    const wasUp = slot.handle === handle;
    if (wasUp) slot.handle = null;
    if (this.#stopping) return;
    if (handle.report !== null) retire(slot.retired, handle.report);
    if (slot.role === "serving") {
      sweepLeases(this.#options.leaseMemory, slot.index);
      sweepLimits(this.#options.sharedLimits, slot.index);
      if (slot.index === this.#aloneIndex) this.#passOn();
    }
    const peer = peerName(slot);
    if (wasUp && peer !== "health") { for (const other of this.live) other.post({ type: "peer-gone", peer }); }
    const pauseMs = slot.policy.died(Date.now() - handle.startedAtMs);
    this.#options.logger.error("A worker has stopped", {
      worker: slot.name,
      reason,
      restart_in_ms: pauseMs,
      deaths: slot.policy.total,
    });
    if (slot.policy.isLoop) this.#reportLoop(slot);
    this.#restarts.set(slot, setTimeout(() => this.#restart(slot), pauseMs));
  }

  /** Has another worker listen where only one can; the same one again where there is no other. */
  #passOn(): void {
    const heir = this.slots.find(({ role, handle }) => role === "serving" && handle !== null);
    if (heir === undefined) return;
    this.#aloneIndex = heir.index;
    heir.handle!.post({ type: "serve-alone" });
  }

  #reportLoop(slot: Slot): void {
    this.#options.logger.error("A worker stops again and again", {
      worker: slot.name,
      hint: "The lines above say why; the other workers go on serving",
    });
    const serving = this.slots.filter((other) => other.role === "serving");
    if (serving.every((other) => other.handle === null && other.policy.isLoop)) this.#options.onLost();
  }

  #restart(slot: Slot): void {
    this.#restarts.delete(slot);
    if (this.#stopping) return;
    this.#startSlot(slot).then(
      () => this.#options.logger.info("A worker was restarted", { worker: slot.name }),
      () => {}, // its death was logged and the next start is scheduled
    );
  }

  #beat(): void {
    for (const slot of this.slots) {
      const handle = slot.handle;
      if (handle === null) continue;
      const silentMs = handle.unansweredBeats * HEARTBEAT_MS;
      if (silentMs >= this.#options.silenceMs) handle.kill(`silent for ${silentMs} ms`);
      else handle.beat(HEARTBEAT_MS);
    }
  }
}
