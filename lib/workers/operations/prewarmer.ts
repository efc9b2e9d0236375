import { messageOf } from "../../errors.ts";
import { pause } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { ListenerConfig } from "../../config/listener.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";
import type { PrewarmResult } from "../messages.ts";
import type { ClientName } from "../../clients/client_requests.ts";
import { type PictureOrder, PrewarmJob, type PrewarmState } from "./prewarm_job.ts";
import { type KeptPrewarm, PrewarmMemory } from "./prewarm_memory.ts";
import { configuredTargets, MAX_TARGETS, withHost } from "./prewarm_targets.ts";
import { WatchedLibraries } from "./watched_libraries.ts";

/** Options of {@linkcode Prewarmer}. */
export interface PrewarmerOptions {
  readonly state: StateStore | null;
  readonly logger: Logger;
  readonly config: () => Config;
  /** Whether this gateway prewarms a listener by itself; left out: it does. */
  readonly isOwn?: (listener: string) => Promise<boolean>;
  /** Has a worker fetch a target of a listener into the cache. */
  readonly fetch: (listener: string, url: string, clients: readonly ClientName[]) => Promise<PrewarmResult>;
}

/** What is to be prewarmed; what is `null` is as configured. */
export interface PrewarmOrder {
  readonly listener: string;
  /** Paths and URLs as clients send them. */
  readonly targets: readonly string[] | null;
  readonly concurrency: number | null;
  readonly ratePerSecond: number | null;
  /** Whose pictures come with the documents. */
  readonly pictures: PictureOrder | null;
}

/** Whether a prewarm was begun, or why not. */
export type PrewarmAnswer =
  | { readonly ok: true; readonly total: number }
  | {
    readonly ok: false;
    /** One of this listener is under way. */
    readonly isBusy: boolean;
    readonly problem: string;
  };

/** How a prewarm stands: plain data. */
export interface PrewarmStatus {
  readonly listener: string;
  readonly state: PrewarmState;
  readonly total: number;
  /** Targets behind it. */
  readonly done: number;
  readonly fetched: number;
  readonly fresh: number;
  readonly skipped: number;
  readonly failed: number;
  /** The same of the pictures that the documents behind it name. */
  readonly pictures: PrewarmJob["pictureCounts"];
  /** Of all bodies. */
  readonly bytes: number;
  /** Targets a second, of late. */
  readonly ratePerSecond: number;
  /** For the rest at this rate; `null` where that cannot be said, and when it has ended. */
  readonly leftMs: number | null;
  readonly startedAtMs: number;
  readonly finishedAtMs: number | null;
  readonly lastProblem: string | null;
}

const LOG_EVERY_MS = 10_000;
/** So often it is looked whether a library is to be seen again. */
const RESCAN_LOOK_MS = 1_000;
/** A library that could not be read is tried again so soon. */
const RETRY_MS = 60_000;

const AS_CONFIGURED = { targets: null, concurrency: null, ratePerSecond: null, pictures: null } as const;

/** Prewarms listeners: one job each at a time, at the start, on a schedule and on request; goes on after a restart. */
export class Prewarmer {
  readonly #options: PrewarmerOptions;
  readonly #memory: PrewarmMemory;
  readonly #jobs = new Map<string, PrewarmJob>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #schedules = new Map<string, { readonly everyMs: number; readonly timer: ReturnType<typeof setInterval> }>();
  readonly #ending = new AbortController();
  readonly #libraries = new WatchedLibraries(this.#ending.signal);
  /** Listeners whose library is to be seen again, by when: `performance.now()`. */
  readonly #rescans = new Map<string, number>();
  /** What has changed of titles while a job was under way, by listener. */
  readonly #waiting = new Map<string, Set<string>>();
  /** Why a library could not be read the last time. */
  readonly #troubles = new Map<string, string>();
  #watch: ReturnType<typeof setInterval> | undefined;

  constructor(options: PrewarmerOptions) {
    this.#options = options;
    this.#memory = new PrewarmMemory(options.state);
  }

  /** Goes on with what a stop broke off, begins what is to begin at the start, and sets the schedules. */
  async start(): Promise<void> {
    await this.resume();
    for (const { name, prewarm } of this.#options.config().listeners) {
      const isConfigured = prewarm.targets.length > 0 || prewarm.file !== null || prewarm.nfo !== null;
      if (isConfigured && prewarm.atStart && !this.#running.has(name)) await this.#beginConfigured(name);
    }
    this.reconfigure();
  }

  /** Goes on with what a stop broke off, of this process or another, unless a prewarm of that listener is under way. */
  async resume(): Promise<void> {
    const unfinished = await this.#memory.unfinished().catch((error) => this.#trouble(error) ?? []);
    for (const kept of unfinished) {
      if (this.#listener(kept.listener) !== undefined && !this.#running.has(kept.listener)) this.#run(kept);
    }
  }

  /** Follows the schedules of a new configuration. */
  reconfigure(): void {
    const { listeners } = this.#options.config();
    const wanted = new Map(listeners.map(({ name, prewarm }) => [name, prewarm.everyMs]));
    for (const [name, { everyMs, timer }] of this.#schedules) {
      if (wanted.get(name) === everyMs) continue;
      clearInterval(timer);
      this.#schedules.delete(name);
    }
    this.#libraries.keepOnly(listeners);
    this.#rescans.clear();
    for (const listener of listeners) {
      const { nfo, rescanMs } = listener.prewarm;
      // One that was not read yet is seen at once.
      const inMs = this.#libraries.knows(listener) ? rescanMs : 0;
      if (nfo !== null) this.#rescans.set(listener.name, performance.now() + inMs);
    }
    this.#watch ??= setInterval(() => void this.#rescan(), RESCAN_LOOK_MS);
    for (const [name, everyMs] of wanted) {
      if (everyMs === null || this.#schedules.has(name)) continue;
      this.#schedules.set(name, { everyMs, timer: everyInterval(everyMs, () => void this.#beginConfigured(name)) });
    }
  }

  /** Begins a prewarm; `actor` asked for it. */
  async begin(order: PrewarmOrder, actor: string): Promise<PrewarmAnswer> {
    const answer = await this.#begin(order);
    const outcome = answer.ok ? `begun, ${answer.total} paths` : answer.problem;
    this.#options.logger.write({ audit: "prewarm", actor, listener: order.listener, outcome });
    return answer;
  }

  /** Stops a listener's prewarm for good; answers whether there was one. */
  async stop(listener: string, actor: string): Promise<boolean> {
    const running = this.#running.get(listener);
    this.#jobs.get(listener)?.stop();
    await running;
    if (running !== undefined) await this.#memory.end(listener).catch((error) => this.#trouble(error));
    const outcome = running === undefined ? "nothing to stop" : "stopped";
    this.#options.logger.write({ audit: "prewarm stop", actor, listener, outcome });
    return running !== undefined;
  }

  /** The last job of each listener. */
  status(): readonly PrewarmStatus[] {
    return [...this.#jobs.values()].map(statusOf);
  }

  /** Lets fetches under way end, and notes where to go on. */
  async close(): Promise<void> {
    this.#ending.abort();
    clearInterval(this.#watch);
    for (const { timer } of this.#schedules.values()) clearInterval(timer);
    for (const job of this.#jobs.values()) job.stop();
    await Promise.all(this.#running.values());
  }

  async #begin(order: PrewarmOrder): Promise<PrewarmAnswer> {
    const listener = this.#listener(order.listener);
    if (listener === undefined) return refused(`There is no listener "${order.listener}"`);
    try {
      const targets = order.targets === null
        ? await this.#configured(listener)
        : withHost([...new Set(order.targets)], listener.hosts);
      if (targets.length === 0) return refused(`Nothing is configured to be prewarmed for "${listener.name}"`);
      // Asked last, because reading the list takes a while.
      if (this.#running.has(listener.name)) {
        return { ...refused(`A prewarm of "${listener.name}" is under way`), isBusy: true };
      }
      const { concurrency, ratePerSecond } = listener.prewarm;
      this.#run({
        listener: listener.name,
        targets,
        done: 0,
        concurrency: order.concurrency ?? concurrency,
        ratePerSecond: order.ratePerSecond ?? ratePerSecond,
        pictures: order.pictures ?? picturesOf(listener, order.targets),
      });
      return { ok: true, total: targets.length };
    } catch (error) {
      return refused(messageOf(error));
    }
  }

  async #beginConfigured(listener: string): Promise<void> {
    if (await this.#options.isOwn?.(listener) === false) return;
    const answer = await this.#begin({ ...AS_CONFIGURED, listener });
    if (!answer.ok && !answer.isBusy) {
      this.#options.logger.error("Cannot prewarm", { listener, problem: answer.problem });
    }
  }

  /** Fetches again what has changed of the titles of a library, and has become stale; called with tags such as `movie:550`. */
  async changed(tags: readonly string[], listeners: readonly string[]): Promise<void> {
    for (const listener of this.#options.config().listeners) {
      if (listener.prewarm.nfo === null || !listeners.includes(listener.name)) continue;
      await this.#beginMore(listener, withHost(this.#libraries.tagged(listener, tags), listener.hosts));
    }
  }

  /** Begins with more targets of a library, now or when the job that is under way has ended. */
  async #beginMore({ name, prewarm }: ListenerConfig, targets: readonly string[]): Promise<void> {
    const waiting = this.#waiting.get(name) ?? new Set();
    for (const target of targets) if (waiting.size < MAX_TARGETS) waiting.add(target);
    if (waiting.size === 0 || this.#ending.signal.aborted) return;
    this.#waiting.set(name, waiting);
    if (this.#running.has(name)) return;
    this.#waiting.delete(name);
    const pictures = picturesOf({ prewarm }, null);
    const answer = await this.#begin({ ...AS_CONFIGURED, listener: name, targets: [...waiting], pictures });
    if (!answer.ok) this.#options.logger.error("Cannot prewarm", { listener: name, problem: answer.problem });
  }

  /** Sees libraries again whose time has come, one after the other. */
  async #rescan(): Promise<void> {
    for (const listener of this.#options.config().listeners) {
      const { name, prewarm } = listener;
      const dueMs = this.#rescans.get(name);
      if (prewarm.nfo === null || dueMs === undefined || performance.now() < dueMs || this.#running.has(name)) continue;
      // Not again while it is read.
      this.#rescans.set(name, Infinity);
      const mayBegin = prewarm.atStart || this.#libraries.knows(listener);
      const targets = await this.#readLibrary(listener, () => this.#libraries.unseen(listener));
      if (this.#rescans.has(name)) {
        const againMs = targets === null ? Math.min(prewarm.rescanMs, RETRY_MS) : prewarm.rescanMs;
        this.#rescans.set(name, performance.now() + againMs);
      }
      if (mayBegin) await this.#beginMore(listener, withHost(targets ?? [], listener.hosts));
    }
  }

  /** What a library takes; `null` where it cannot be read, which is said once. */
  async #readLibrary({ name }: ListenerConfig, read: () => Promise<string[]>): Promise<string[] | null> {
    try {
      const targets = await read();
      this.#troubles.delete(name);
      return targets;
    } catch (error) {
      const problem = messageOf(error);
      if (this.#troubles.get(name) !== problem) {
        this.#options.logger.warn("Cannot read the library", { listener: name, problem });
      }
      this.#troubles.set(name, problem);
      return null;
    }
  }

  /** What the configuration names: paths, those of a file, and those of a library, which is left out where it cannot be read. */
  async #configured(listener: ListenerConfig): Promise<readonly string[]> {
    const listed = await configuredTargets(listener);
    if (listener.prewarm.nfo === null) return listed;
    const ofLibrary = await this.#readLibrary(listener, () => this.#libraries.all(listener));
    if (ofLibrary === null && listed.length === 0) throw new Error("the library cannot be read; it is tried again");
    if ((ofLibrary?.length ?? 0) > MAX_TARGETS) throw new Error(`the library takes more than ${MAX_TARGETS} paths`);
    return [...new Set([...listed, ...withHost(ofLibrary ?? [], listener.hosts)])];
  }

  #run(kept: KeptPrewarm): void {
    let loggedMs = performance.now();
    const job: PrewarmJob = new PrewarmJob({
      ...kept,
      fetch: (listener, url, clients) => this.#options.fetch(listener, this.#located(listener, url), clients),
      pause: (ms) => pause(ms, this.#ending.signal),
      onProgress: () => {
        this.#note(job);
        if (performance.now() - loggedMs < LOG_EVERY_MS) return;
        loggedMs = performance.now();
        this.#log("Prewarming", job);
      },
    });
    this.#jobs.set(kept.listener, job);
    const ended = this.#runToEnd(job, kept).finally(() => {
      this.#running.delete(kept.listener);
      const listener = this.#listener(kept.listener);
      if (listener !== undefined && this.#waiting.has(kept.listener)) void this.#beginMore(listener, []);
    });
    this.#running.set(kept.listener, ended);
  }

  /** A picture's path as the listener that serves it takes it. */
  #located(name: string, url: string): string {
    return url.startsWith("/") ? withHost([url], this.#listener(name)?.hosts ?? [])[0]! : url;
  }

  async #runToEnd(job: PrewarmJob, kept: KeptPrewarm): Promise<void> {
    this.#log(kept.done === 0 ? "Prewarming" : "Prewarming goes on", job);
    if (kept.done === 0) await this.#memory.begin(kept).catch((error) => this.#trouble(error));
    await job.run();
    this.#log(job.state === "done" ? "Prewarmed" : "Prewarming stopped", job);
    const noted = job.state === "done" ? this.#memory.end(job.listener) : this.#memory.advance(keptOf(job));
    await noted.catch((error) => this.#trouble(error));
  }

  #note(job: PrewarmJob): void {
    this.#memory.advance(keptOf(job)).catch((error) => this.#trouble(error));
  }

  #log(message: string, job: PrewarmJob): void {
    const { listener, targets, done, counts, lastProblem } = job;
    const { pictureCounts } = job;
    const pictures = job.pictures === null ? undefined : pictureCounts.fetched + pictureCounts.fresh;
    const missed = [counts, pictureCounts].some(({ failed, skipped }) => failed + skipped > 0);
    const problem = missed ? lastProblem : undefined;
    this.#options.logger.info(message, { listener, done, total: targets.length, ...counts, pictures, problem });
  }

  #trouble(error: unknown): void {
    this.#options.logger.warn("How far prewarming has come cannot be written down", { problem: String(error) });
  }

  #listener(name: string): ListenerConfig | undefined {
    return this.#options.config().listeners.find((listener) => listener.name === name);
  }
}

function keptOf({ listener, targets, resumeAt, concurrency, ratePerSecond, pictures }: PrewarmJob): KeptPrewarm {
  return { listener, targets, done: resumeAt, concurrency, ratePerSecond, pictures };
}

function statusOf(job: PrewarmJob): PrewarmStatus {
  const { listener, state, done, bytes, startedAtMs, finishedAtMs, lastProblem } = job;
  return {
    listener,
    state,
    total: job.targets.length,
    done,
    ...job.counts,
    pictures: job.pictureCounts,
    bytes,
    ratePerSecond: job.pacePerSecond,
    leftMs: job.leftMs,
    startedAtMs,
    finishedAtMs,
    lastProblem,
  };
}

/** The pictures of a library's clients, where its targets are what is fetched. */
function picturesOf(
  { prewarm: { nfo, images, clients } }: Pick<ListenerConfig, "prewarm">,
  targets: readonly string[] | null,
): PictureOrder | null {
  if (nfo === null || images === null || clients.length === 0 || targets !== null) return null;
  return { listener: images, clients };
}

function refused(problem: string): { readonly ok: false; readonly isBusy: boolean; readonly problem: string } {
  return { ok: false, isBusy: false, problem };
}

/** An interval longer than timers can be. */
function everyInterval(everyMs: number, act: () => void): ReturnType<typeof setInterval> {
  const tickMs = Math.min(everyMs, 60_000);
  let dueMs = performance.now() + everyMs;
  return setInterval(() => {
    if (performance.now() + tickMs / 2 < dueMs) return;
    dueMs += everyMs;
    act();
  }, tickMs);
}
