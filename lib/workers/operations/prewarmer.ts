import { messageOf } from "../../errors.ts";
import { pause } from "../../clock.ts";
import type { Config } from "../../config/config.ts";
import type { ListenerConfig } from "../../config/listener.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";
import type { PrewarmResult } from "../messages.ts";
import { PrewarmJob, type PrewarmState } from "./prewarm_job.ts";
import { type KeptPrewarm, PrewarmMemory } from "./prewarm_memory.ts";

/** Options of {@linkcode Prewarmer}. */
export interface PrewarmerOptions {
  readonly state: StateStore | null;
  readonly logger: Logger;
  readonly config: () => Config;
  /** Has a worker fetch a target of a listener into the cache. */
  readonly fetch: (listener: string, url: string) => Promise<PrewarmResult>;
}

/** What is to be prewarmed; what is `null` is as configured. */
export interface PrewarmOrder {
  readonly listener: string;
  /** Paths and URLs as clients send them. */
  readonly targets: readonly string[] | null;
  readonly concurrency: number | null;
  readonly ratePerSecond: number | null;
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

/** Prewarms listeners: one job each at a time, at the start, on a schedule and on request; goes on after a restart. */
export class Prewarmer {
  readonly #options: PrewarmerOptions;
  readonly #memory: PrewarmMemory;
  readonly #jobs = new Map<string, PrewarmJob>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #schedules = new Map<string, { readonly everyMs: number; readonly timer: ReturnType<typeof setInterval> }>();
  readonly #ending = new AbortController();

  constructor(options: PrewarmerOptions) {
    this.#options = options;
    this.#memory = new PrewarmMemory(options.state);
  }

  /** Goes on with what a stop broke off, begins what is to begin at the start, and sets the schedules. */
  async start(): Promise<void> {
    await this.resume();
    for (const { name, prewarm } of this.#options.config().listeners) {
      const isConfigured = prewarm.targets.length > 0 || prewarm.file !== null;
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
    for (const { timer } of this.#schedules.values()) clearInterval(timer);
    for (const job of this.#jobs.values()) job.stop();
    await Promise.all(this.#running.values());
  }

  async #begin(order: PrewarmOrder): Promise<PrewarmAnswer> {
    const listener = this.#listener(order.listener);
    if (listener === undefined) return refused(`There is no listener "${order.listener}"`);
    try {
      const targets = order.targets === null
        ? await configuredTargets(listener)
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
      });
      return { ok: true, total: targets.length };
    } catch (error) {
      return refused(messageOf(error));
    }
  }

  async #beginConfigured(listener: string): Promise<void> {
    const answer = await this.#begin({ listener, targets: null, concurrency: null, ratePerSecond: null });
    if (!answer.ok && !answer.isBusy) {
      this.#options.logger.error("Cannot prewarm", { listener, problem: answer.problem });
    }
  }

  #run(kept: KeptPrewarm): void {
    let loggedMs = performance.now();
    const job: PrewarmJob = new PrewarmJob({
      ...kept,
      fetch: this.#options.fetch,
      pause: (ms) => pause(ms, this.#ending.signal),
      onProgress: () => {
        this.#note(job);
        if (performance.now() - loggedMs < LOG_EVERY_MS) return;
        loggedMs = performance.now();
        this.#log("Prewarming", job);
      },
    });
    this.#jobs.set(kept.listener, job);
    this.#running.set(kept.listener, this.#runToEnd(job, kept).finally(() => this.#running.delete(kept.listener)));
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
    const problem = counts.failed + counts.skipped > 0 ? lastProblem : undefined;
    this.#options.logger.info(message, { listener, done, total: targets.length, ...counts, problem });
  }

  #trouble(error: unknown): void {
    this.#options.logger.warn("How far prewarming has come cannot be written down", { problem: String(error) });
  }

  #listener(name: string): ListenerConfig | undefined {
    return this.#options.config().listeners.find((listener) => listener.name === name);
  }
}

function keptOf({ listener, targets, resumeAt, concurrency, ratePerSecond }: PrewarmJob): KeptPrewarm {
  return { listener, targets, done: resumeAt, concurrency, ratePerSecond };
}

function statusOf(job: PrewarmJob): PrewarmStatus {
  const { listener, state, done, bytes, startedAtMs, finishedAtMs, lastProblem } = job;
  return {
    listener,
    state,
    total: job.targets.length,
    done,
    ...job.counts,
    bytes,
    ratePerSecond: job.pacePerSecond,
    leftMs: job.leftMs,
    startedAtMs,
    finishedAtMs,
    lastProblem,
  };
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

/** Bytes and targets of a file, at most. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
const MAX_TARGETS = 500_000;
const TARGET = /^(?:\/|https?:\/\/)[^\s#\p{Cc}]*$/iu;

/**
 * The targets that a listener's configuration names, in itself and in its file.
 *
 * @throws {Error} when the file cannot be read, is too large or holds a line that is no target; its message is for the operator
 */
export async function configuredTargets({ hosts, prewarm }: ListenerConfig): Promise<readonly string[]> {
  const listed = prewarm.file === null ? [] : targetsIn(await readBounded(prewarm.file), prewarm.file);
  return withHost([...new Set([...prewarm.targets, ...listed])], hosts);
}

/** Paths as URLs of the listener's first exact host, where it has one: the host may be part of the cache key. */
export function withHost(targets: readonly string[], hosts: readonly string[]): readonly string[] {
  const host = hosts.find((name) => !name.startsWith("*"));
  return host === undefined
    ? targets
    : targets.map((target) => target.startsWith("/") ? `http://${host}${target}` : target);
}

/** The targets in a text, one a line; `#` begins a comment. @throws {Error} naming the line that is none */
export function targetsIn(text: string, name: string): readonly string[] {
  const targets: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const target = line.replace(/(?:^|\s)#.*$/, "").trim();
    if (target === "") continue;
    if (!TARGET.test(target) || target.length > 8192) {
      throw new Error(`${name}:${index + 1}: a path that begins with / or a URL is needed`);
    }
    targets.push(target);
    if (targets.length > MAX_TARGETS) throw new Error(`${name} holds more than ${MAX_TARGETS} paths`);
  }
  return targets;
}

async function readBounded(path: string): Promise<string> {
  const { size } = await Deno.stat(path);
  if (size > MAX_FILE_BYTES) throw new Error(`${path} is larger than ${MAX_FILE_BYTES} bytes`);
  return await Deno.readTextFile(path);
}
