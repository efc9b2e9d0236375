import type { ClientName } from "../../clients/client_requests.ts";
import { redact } from "../../logging/redact.ts";
import type { PrewarmResult } from "../messages.ts";

/** Whose pictures are fetched with the documents that name them, and by which listener. */
export interface PictureOrder {
  readonly listener: string;
  readonly clients: readonly ClientName[];
}

/** Options of {@linkcode PrewarmJob}. */
export interface PrewarmJobOptions {
  readonly listener: string;
  readonly targets: readonly string[];
  /** Where to begin. @default 0 */
  readonly done?: number;
  readonly concurrency: number;
  readonly ratePerSecond: number;
  /** @default no pictures */
  readonly pictures?: PictureOrder | null;
  readonly fetch: (listener: string, url: string, clients: readonly ClientName[]) => Promise<PrewarmResult>;
  /** Waits. */
  readonly pause: (ms: number) => Promise<void>;
  /** Called when it has come further, about once a second. */
  readonly onProgress: () => void;
}

/** How a job stands. */
export type PrewarmState = "running" | "paused" | "done" | "stopped";

/** Pause after clients needed the room. */
const BUSY_PAUSE_MS = 500;
const PROGRESS_EVERY_MS = 1_000;
/** Looks at a target that clients left no room for, at most: ten minutes and more. */
const MAX_BUSY = 600;

/** How fast targets are got behind, over the last ten seconds. */
class Pace {
  readonly #marks: { readonly atMs: number; readonly behind: number }[];
  readonly #total: number;
  #behind = 0;

  constructor(total: number) {
    this.#total = total;
    this.#marks = [{ atMs: performance.now(), behind: 0 }];
  }

  /** Targets that are still to come. */
  get left(): number {
    return this.#total - this.#behind;
  }

  step(nowMs: number): void {
    this.#behind++;
    if (nowMs - this.#marks.at(-1)!.atMs < MARK_EVERY_MS) return;
    this.#marks.push({ atMs: nowMs, behind: this.#behind });
    if (this.#marks.length > MARKS) this.#marks.shift();
  }

  /** @param wholeMs the time that all of it took; `null` while it goes on */
  perSecond(nowMs: number, wholeMs: number | null): number {
    const { atMs, behind } = wholeMs === null ? this.#marks[0]! : { atMs: nowMs - wholeMs, behind: 0 };
    return (this.#behind - behind) / Math.max(1, nowMs - atMs) * 1_000;
  }
}

const MARK_EVERY_MS = 1_000;
const MARKS = 10;

function newCounts() {
  return { fetched: 0, fresh: 0, skipped: 0, failed: 0 };
}

/** Pictures that are remembered; one that is forgotten is looked up again, and is fresh. */
const MAX_SEEN = 200_000;

/** Fetches a list of targets, so many at a time and a second, from where it was told to begin. */
export class PrewarmJob {
  readonly listener: string;
  readonly targets: readonly string[];
  readonly startedAtMs = Date.now();
  readonly counts = newCounts();
  /** Of pictures; a document is behind it when its pictures are. */
  readonly pictureCounts = newCounts();
  /** Pictures that are under way or behind it, as many documents name the same; `false` where it was stopped before. */
  readonly #pictures = new Map<string, Promise<boolean>>();
  bytes = 0;
  finishedAtMs: number | null = null;
  /** Why the last target that was skipped or failed was. */
  lastProblem: string | null = null;
  readonly #options: PrewarmJobOptions;
  readonly #open = new Set<number>();
  #next: number;
  #stopped = false;
  #busy = 0;
  #nextStartMs = 0;
  #toldMs = 0;
  readonly #pace: Pace;

  constructor(options: PrewarmJobOptions) {
    this.#options = options;
    this.listener = options.listener;
    this.targets = options.targets;
    this.#next = Math.min(options.done ?? 0, options.targets.length);
    this.#pace = new Pace(options.targets.length - this.#next);
  }

  /** Fetches at a time. */
  get concurrency(): number {
    return this.#options.concurrency;
  }

  /** Whose pictures it fetches too; `null` for none. */
  get pictures(): PictureOrder | null {
    return this.#options.pictures ?? null;
  }

  /** Fetches begun in a second, at most. */
  get ratePerSecond(): number {
    return this.#options.ratePerSecond;
  }

  /** How many targets are behind it. */
  get done(): number {
    return this.targets.length - this.#pace.left;
  }

  /** Where another job may go on: every target before it is behind this one. */
  get resumeAt(): number {
    return Math.min(this.#next, ...this.#open);
  }

  /** Targets a second, of late; of the whole time when it has ended. */
  get pacePerSecond(): number {
    const { finishedAtMs, startedAtMs } = this;
    return this.#pace.perSecond(performance.now(), finishedAtMs === null ? null : finishedAtMs - startedAtMs);
  }

  /** How long the rest takes at this pace; `null` where that cannot be said, and when it has ended. */
  get leftMs(): number | null {
    const perSecond = this.pacePerSecond;
    return this.finishedAtMs !== null || perSecond === 0 ? null : this.#pace.left / perSecond * 1_000;
  }

  /** How it stands; `paused` while clients need the room. */
  get state(): PrewarmState {
    if (this.finishedAtMs !== null) return this.done === this.targets.length ? "done" : "stopped";
    return this.#busy > 0 ? "paused" : "running";
  }

  /** Fetches until the end or until it is stopped. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.concurrency }, () => this.#work()));
    this.finishedAtMs = Date.now();
  }

  /** Begins nothing more. */
  stop(): void {
    this.#stopped = true;
  }

  async #work(): Promise<void> {
    while (!this.#stopped && this.#next < this.targets.length) {
      const index = this.#next++;
      this.#open.add(index);
      const isDone = await this.#fetch(this.targets[index]!);
      if (!isDone) return;
      this.#open.delete(index);
      this.#tell();
    }
  }

  /** Answers `false` where it was stopped before the target and its pictures were fetched: the target stays open. */
  async #fetch(target: string): Promise<boolean> {
    const { pictures = null } = this.#options;
    const result = await this.#fetchOne(this.listener, target, pictures?.clients ?? []);
    if (result === null) return false;
    for (const picture of pictures === null ? [] : result.pictures ?? []) {
      if (this.#pictures.size === MAX_SEEN) this.#pictures.clear();
      const known = this.#pictures.get(picture);
      const isBehind = known ?? this.#fetchPicture(pictures!.listener, picture);
      if (known === undefined) this.#pictures.set(picture, isBehind);
      if (!await isBehind) return false;
    }
    this.#count(target, result, this.counts);
    this.#pace.step(performance.now());
    return true;
  }

  async #fetchPicture(listener: string, picture: string): Promise<boolean> {
    const found = await this.#fetchOne(listener, picture, []);
    if (found !== null) this.#count(picture, found, this.pictureCounts);
    return found !== null;
  }

  /** Fetches in its turn, while clients leave room; `null` where it was stopped before. */
  async #fetchOne(listener: string, target: string, clients: readonly ClientName[]): Promise<PrewarmResult | null> {
    for (let looked = 1; !this.#stopped; looked++) {
      await this.#turn();
      if (this.#stopped) return null;
      const result = await this.#options.fetch(listener, target, clients);
      // A worker that ends takes its fetches along: that is no answer about the target.
      if (this.#stopped && result.outcome === "failed") return null;
      if (result.outcome !== "busy") return result;
      if (looked >= MAX_BUSY) return { ...result, outcome: "failed", detail: "no room for it" };
      await this.#waitForRoom();
    }
    return null;
  }

  #count(target: string, { outcome, detail, bytes }: PrewarmResult, counts: PrewarmJob["counts"]): void {
    counts[outcome as keyof PrewarmJob["counts"]]++;
    this.bytes += bytes;
    if (detail !== null) this.lastProblem = `${redact(target)}: ${redact(detail)}`;
  }

  async #waitForRoom(): Promise<void> {
    this.#busy++;
    await this.#options.pause(BUSY_PAUSE_MS);
    this.#busy--;
  }

  /** Waits for the next start that the rate allows. */
  async #turn(): Promise<void> {
    const nowMs = performance.now();
    const startMs = Math.max(nowMs, this.#nextStartMs);
    this.#nextStartMs = startMs + 1000 / this.#options.ratePerSecond;
    if (startMs > nowMs) await this.#options.pause(startMs - nowMs);
  }

  #tell(): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < PROGRESS_EVERY_MS) return;
    this.#toldMs = nowMs;
    this.#options.onProgress();
  }
}
