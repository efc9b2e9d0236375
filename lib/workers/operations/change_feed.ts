import { pause } from "../../clock.ts";
import type { ChangeFeedConfig } from "../../config/change_feed.ts";
import type { Config } from "../../config/config.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logging/logger.ts";
import type { StateStore } from "../../state/state_store.ts";
import type { ChangeSource } from "../../upstream_type/type_traits.ts";
import { upstreamTypes } from "../../upstream_type/registry.ts";
import { ChangeMemory, type ChangePosition } from "./change_memory.ts";
import { ChangePoll, ChangePollError } from "./change_poll.ts";
import type { ReadResult } from "../messages.ts";

/** Options of {@linkcode ChangeFeed}. */
export interface ChangeFeedOptions {
  readonly state: StateStore | null;
  readonly logger: Logger;
  readonly config: () => Config;
  /** Has a worker ask a pool's upstreams. */
  readonly read: (pool: string, target: string) => Promise<ReadResult>;
  /** Marks what has one of the tags stale on these listeners, in all workers; answers when none serves it as fresh. */
  readonly purge: (tags: readonly string[], listeners: readonly string[]) => Promise<void>;
  /** Whether a tag may be stored at all. */
  readonly mayHold: (tag: string) => boolean;
  /** Settles when `mayHold` knows of what was stored before this process; called before the first look-up. */
  readonly whenKnown: () => Promise<void>;
  /** Milliseconds since the Unix epoch. @default the machine's clock */
  readonly now?: () => number;
}

/** How a pool's change feed stands: plain data. */
export interface ChangeFeedStatus {
  readonly pool: string;
  readonly state: "waiting" | "running" | "backing-off";
  readonly intervalMs: number;
  /** When the last look-up ended; `null` before the first. */
  readonly lastRunMs: number | null;
  /** When the last one that came to its end did. */
  readonly lastSuccessMs: number | null;
  readonly lastProblem: string | null;
  readonly nextRunMs: number | null;
  /** Of the last look-up. */
  readonly last: ChangeCounts;
  /** Since the start. */
  readonly total: ChangeCounts & { readonly runs: number; readonly failures: number };
}

/** What look-ups found and did. */
export interface ChangeCounts {
  /** Titles and people that were listed as changed for the first time that day. */
  readonly changed: number;
  /** Tags that were purged, because something of them may be stored. */
  readonly purged: number;
  readonly pages: number;
}

/** Pause between the start and the first look-up: the workers have enough to do then. */
const FIRST_MS = 5_000;
const FIRST_BACKOFF_MS = 30_000;
const MAX_BACKOFF_MS = 3_600_000;

/** Looks up what has changed upstream, for each pool that is to, and has it purged. One in a process. */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions;
  readonly #memory: ChangeMemory;
  readonly #pools = new Map<string, PoolFeed>();

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#memory = new ChangeMemory(options.state);
  }

  /** Begins, and follows a new configuration: feeds that it does not change go on. */
  reconfigure(): void {
    const wanted = new Map(
      this.#options.config().pools.flatMap(({ name, type, changeFeed }) => {
        const source = upstreamTypes.traits(type)?.changes ?? null;
        return changeFeed === null || source === null ? [] : [[name, { changeFeed, source }] as const];
      }),
    );
    for (const [name, feed] of this.#pools) {
      const known = wanted.get(name);
      if (known !== undefined && JSON.stringify(known.changeFeed) === feed.signature) continue;
      this.#pools.delete(name);
      void feed.close();
    }
    for (const [name, { changeFeed, source }] of wanted) {
      if (this.#pools.has(name)) continue;
      const feed = new PoolFeed({ ...this.#options, pool: name, feed: changeFeed, source, memory: this.#memory });
      this.#pools.set(name, feed);
      feed.begin();
    }
  }

  /** Looks a pool's changes up now; `false` where it has no feed, `null` where a look-up is under way. */
  poll(pool: string): boolean | null {
    const feed = this.#pools.get(pool);
    return feed === undefined ? false : feed.poll();
  }

  /** How each pool's feed stands. */
  status(): readonly ChangeFeedStatus[] {
    return [...this.#pools.values()].map((feed) => feed.status());
  }

  /** Begins nothing more, and lets what is under way note how far it has come. */
  async close(): Promise<void> {
    const feeds = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(feeds.map((feed) => feed.close()));
  }
}

interface PoolFeedOptions extends ChangeFeedOptions {
  readonly pool: string;
  readonly feed: ChangeFeedConfig;
  readonly source: ChangeSource;
  readonly memory: ChangeMemory;
}

/** The change feed of one pool. */
class PoolFeed {
  /** What it was made from. */
  readonly signature: string;
  readonly #options: PoolFeedOptions;
  readonly #now: () => number;
  readonly #ending = new AbortController();
  /** Positions as last saved, for where KV fails. */
  readonly #positions = new Map<string, ChangePosition>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | null = null;
  #backoffMs = FIRST_BACKOFF_MS;
  #lastRunMs: number | null = null;
  #lastSuccessMs: number | null = null;
  #lastProblem: string | null = null;
  #nextRunMs: number | null = null;
  #last: ChangeCounts = { changed: 0, purged: 0, pages: 0 };
  #total = { runs: 0, failures: 0, changed: 0, purged: 0, pages: 0 };

  constructor(options: PoolFeedOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => Date.now());
    this.signature = JSON.stringify(options.feed);
  }

  begin(): void {
    this.#schedule(Math.min(FIRST_MS, this.#options.feed.intervalMs));
  }

  /** `null` where a look-up is under way. */
  poll(): true | null {
    if (this.#running !== null) return null;
    clearTimeout(this.#timer);
    this.#nextRunMs = null;
    this.#running = this.#run().finally(() => this.#running = null);
    return true;
  }

  status(): ChangeFeedStatus {
    const { pool, feed } = this.#options;
    return {
      pool,
      state: this.#running !== null ? "running" : this.#lastProblem === null ? "waiting" : "backing-off",
      intervalMs: feed.intervalMs,
      lastRunMs: this.#lastRunMs,
      lastSuccessMs: this.#lastSuccessMs,
      lastProblem: this.#lastProblem,
      nextRunMs: this.#nextRunMs,
      last: this.#last,
      total: this.#total,
    };
  }

  async close(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(afterMs: number): void {
    if (this.#ending.signal.aborted) return;
    this.#nextRunMs = this.#now() + afterMs;
    this.#timer = setTimeout(() => this.poll(), afterMs);
  }

  async #run(): Promise<void> {
    const { feed, logger, pool } = this.#options;
    const startedMs = performance.now();
    const counts = { changed: 0, purged: 0, pages: 0 };
    try {
      await this.#options.whenKnown();
      for (const kind of feed.kinds) await this.#look(kind, counts);
      this.#ended(counts, null);
      const ms = Math.round(performance.now() - startedMs);
      if (!this.#ending.signal.aborted) logger.info("Looked up what has changed", { pool, ...counts, ms });
      this.#schedule(feed.intervalMs);
    } catch (error) {
      const problem = messageOf(error);
      this.#ended(counts, problem);
      const pauseMs = this.#pauseAfter(error);
      // A worker that ends with the gateway takes the look-up along.
      if (this.#ending.signal.aborted) return;
      logger.warn("Cannot look up what has changed", { pool, problem, ...counts, retry_in_ms: pauseMs });
      this.#schedule(pauseMs);
    }
  }

  #ended(counts: ChangeCounts, problem: string | null): void {
    this.#lastRunMs = this.#now();
    this.#last = counts;
    this.#lastProblem = problem;
    this.#total.runs++;
    for (const name of ["changed", "purged", "pages"] as const) this.#total[name] += counts[name];
    if (problem === null) {
      this.#lastSuccessMs = this.#lastRunMs;
      this.#backoffMs = FIRST_BACKOFF_MS;
    } else this.#total.failures++;
  }

  /** Twice as long with each failure, but what the upstream asks for at least. */
  #pauseAfter(error: unknown): number {
    const asked = error instanceof ChangePollError ? error.retryAfterMs ?? 0 : 0;
    const pauseMs = Math.max(asked, this.#backoffMs);
    this.#backoffMs = Math.min(this.#backoffMs * 2, MAX_BACKOFF_MS);
    return pauseMs;
  }

  async #look(kind: string, counts: { changed: number; purged: number; pages: number }): Promise<void> {
    const { pool, feed, source, logger, read, mayHold } = this.#options;
    if (!source.kinds.includes(kind)) return;
    const listeners = this.#listeners();
    const poll = new ChangePoll({
      ...{ source, kind, mayHold, now: this.#now, signal: this.#ending.signal },
      ratePerSecond: feed.ratePerSecond,
      maxPages: feed.maxPages,
      read: (target) => read(pool, target),
      purge: (tags) => this.#options.purge(tags, listeners),
      save: (position) => this.#save(kind, position),
      pause: (ms) => pause(ms, this.#ending.signal),
    }, await this.#load(kind));
    try {
      await poll.run();
    } finally {
      for (const name of ["changed", "purged", "pages"] as const) counts[name] += poll.counts[name];
    }
    if (poll.isCut) logger.warn("A list of changes is longer than is read", { pool, kind, max_pages: feed.maxPages });
  }

  #listeners(): string[] {
    const { config, pool } = this.#options;
    return config().listeners.filter((listener) => listener.pool === pool).map(({ name }) => name);
  }

  async #load(kind: string): Promise<ChangePosition | null> {
    const known = this.#positions.get(kind);
    if (known !== undefined) return known;
    return await this.#options.memory.load(this.#options.pool, kind).catch((error) => this.#trouble(error) ?? null);
  }

  async #save(kind: string, position: ChangePosition): Promise<void> {
    this.#positions.set(kind, position);
    await this.#options.memory.save(this.#options.pool, kind, position).catch((error) => this.#trouble(error));
  }

  #trouble(error: unknown): void {
    this.#options.logger.warn("How far changes were looked up cannot be kept", { problem: String(error) });
  }
}
