import type { ChangePage, ChangeSource } from "../../upstream_type/type_traits.ts";
import type { ChangePosition } from "./change_memory.ts";
import type { ReadResult } from "../messages.ts";

const DAY_MS = 24 * 3_600_000;
/** Pause after clients needed the room, and how often that may be in a row: five minutes and more. */
const BUSY_PAUSE_MS = 500;
const MAX_BUSY = 600;
/** Tags that are purged at once. */
const BATCH_TAGS = 1_000;
/** Ids of one day that are remembered; what comes beyond is purged each time it is seen. */
const MAX_SEEN = 100_000;

/** Options of {@linkcode ChangePoll}. */
export interface ChangePollOptions {
  readonly source: ChangeSource;
  readonly kind: string;
  readonly ratePerSecond: number;
  /** Pages of one list, at most. */
  readonly maxPages: number;
  /** Has a worker ask the pool's upstreams. */
  readonly read: (target: string) => Promise<ReadResult>;
  /** Marks what has one of the tags stale, in all workers. */
  readonly purge: (tags: readonly string[]) => Promise<void>;
  /** Whether a tag may be stored at all. */
  readonly mayHold: (tag: string) => boolean;
  readonly save: (position: ChangePosition) => Promise<void>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Waits; answers early where all is to end. */
  readonly pause: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** A look-up that came to no end. */
export class ChangePollError extends Error {
  override readonly name = "ChangePollError";
  /** How long the upstream wants to be left alone, in milliseconds; `null` where it does not say. */
  readonly retryAfterMs: number | null;

  constructor(message: string, retryAfterMs: number | null = null) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Looks one list of changes through, from a position up to now. */
export class ChangePoll {
  /** Ids that were news, titles purged, and pages read. */
  readonly counts = { changed: 0, purged: 0, pages: 0 };
  /** Whether a list had more pages than are read. */
  isCut = false;
  readonly #options: ChangePollOptions;
  #day: string;
  #page: number;
  #seen: Set<number>;
  /** Ids that have been read and are not purged yet. */
  #pending: number[] = [];
  /** Ids that were purged in this look-up. */
  readonly #purged = new Set<number>();

  constructor(options: ChangePollOptions, from: ChangePosition | null) {
    this.#options = options;
    const nowMs = options.now();
    const reachMs = nowMs - (options.source.reachDays - 1) * DAY_MS;
    // A day that is yet to come was noted by a wrong clock: until it comes nothing would be found.
    const known = from !== null && from.day <= dayOf(nowMs) ? from : null;
    // Where nothing is known yet, what was stored yesterday may have changed since.
    const start = known ?? { day: dayOf(nowMs - DAY_MS), page: 1, seen: new Set() };
    const isInReach = start.day >= dayOf(reachMs);
    this.#day = isInReach ? start.day : dayOf(reachMs);
    this.#page = isInReach ? start.page : 1;
    this.#seen = new Set(isInReach ? start.seen : []);
  }

  /**
   * Reads on until today's list is through; what has changed is purged, and the position saved, on the way and at the end.
   *
   * @throws {ChangePollError} when an upstream does not answer, or with nothing that can be used
   */
  async run(): Promise<void> {
    const { now, signal } = this.#options;
    while (!signal.aborted) {
      const today = dayOf(now());
      const isToday = this.#day >= today;
      try {
        await this.#lookThrough(isToday);
      } finally {
        await this.#settle();
      }
      if (isToday || signal.aborted) return;
      await this.#closeDay();
    }
  }

  async #lookThrough(isToday: boolean): Promise<void> {
    const { maxPages, signal, pause, ratePerSecond } = this.#options;
    for (let isLast = false; !isLast && !signal.aborted;) {
      const { ids, pages } = await this.#readPage(isToday);
      this.counts.pages++;
      for (const id of ids) if (!this.#seen.has(id)) this.#pending.push(id);
      isLast = this.#page >= Math.min(pages, maxPages) || ids.length === 0;
      if (isLast && pages > maxPages && ids.length > 0) this.isCut = true;
      this.#page = isLast ? 1 : this.#page + 1;
      if (this.#pending.length >= BATCH_TAGS) await this.#settle();
      if (!isLast) await pause(1000 / ratePerSecond);
    }
  }

  async #readPage(isToday: boolean): Promise<ChangePage> {
    const { source, kind } = this.#options;
    const result = await this.#ask(source.target({ kind, day: this.#day, isToday, page: this.#page }));
    if (result.outcome !== "read") throw new ChangePollError(result.detail ?? "no answer", result.retryAfterMs);
    const page = result.body === null ? null : source.read(result.body);
    if (page === null) throw new ChangePollError("the answer is no list of changes");
    return page;
  }

  /** Asks when clients leave room for it. */
  async #ask(target: string): Promise<ReadResult> {
    const { read, pause, signal } = this.#options;
    for (let asked = 1;; asked++) {
      const result = await read(target);
      if (result.outcome !== "busy" || asked >= MAX_BUSY || signal.aborted) return result;
      await pause(BUSY_PAUSE_MS);
    }
  }

  /** Purges what is pending, and notes how far this has come: in this order, so that nothing is missed. */
  async #settle(): Promise<void> {
    const ids = [...new Set(this.#pending)];
    await this.#purge(ids);
    this.#pending = [];
    for (const id of ids) if (this.#seen.size < MAX_SEEN) this.#seen.add(id);
    this.counts.changed += ids.length;
    await this.#options.save({ day: this.#day, page: this.#page, seen: this.#seen });
  }

  /**
   * A list does not tell when something changed, nor how often: when a day is over, what had changed in it before this look-up is purged
   * once more.
   */
  async #closeDay(): Promise<void> {
    await this.#purge([...this.#seen].filter((id) => !this.#purged.has(id)));
    this.#day = dayOf(Date.parse(`${this.#day}T00:00:00Z`) + DAY_MS);
    this.#seen = new Set();
    this.#purged.clear();
    await this.#options.save({ day: this.#day, page: 1, seen: this.#seen });
  }

  async #purge(ids: readonly number[]): Promise<void> {
    const { source, kind, mayHold, purge } = this.#options;
    const tags = ids.map((id) => source.tag(kind, id)).filter(mayHold);
    for (let from = 0; from < tags.length; from += BATCH_TAGS) await purge(tags.slice(from, from + BATCH_TAGS));
    this.counts.purged += tags.length;
    for (const id of ids) this.#purged.add(id);
  }
}

function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}
