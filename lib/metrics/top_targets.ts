import { type Heavy, SpaceSaving } from "./space_saving.ts";

/** What targets are ordered by: requests, those that were no hit, content bytes sent, and time taken. */
export const TOP_MEASURES = ["requests", "misses", "bytes", "ms"] as const;

/** One of {@linkcode TOP_MEASURES}. */
export type TopMeasure = typeof TOP_MEASURES[number];

/** The heaviest keys by each measure: plain data. */
export type TopKeys = Readonly<Record<TopMeasure, readonly Heavy[]>>;

/** Keys that are held by each measure and window. */
const CAPACITY = 256;
/** How long a window is; two are shown together, the one that goes on and the one before. */
const WINDOW_MS = 60 * 60_000;
/** So many hits of a window, and so many others, are counted one by one. */
const EXACT = 10_000;
/** Of those behind them one in so many is counted on the average, for as many: a hit costs some nanoseconds, a miss some hundred. */
const HIT_SAMPLE = 64;
const MISS_SAMPLE = 16;
/** A miss that weighs so much is always counted: its like are few, and a list without them would be false. */
const HEAVY_BYTES = 1 << 20;
const HEAVY_MS = 1_000;

/** Chooses the requests of one kind that are counted. The distances vary, so that no rhythm of the requests favours a target. */
class Sampler {
  readonly #every: number;
  readonly #random: () => number;
  #exactLeft = EXACT;
  #skip = 1;

  constructor(every: number, random: () => number) {
    this.#every = every;
    this.#random = random;
  }

  /** Counts one by one again. */
  begin(): void {
    this.#exactLeft = EXACT;
  }

  /** For how many the next one is to be counted; 0 for not at all. */
  next(): number {
    if (this.#exactLeft > 0) {
      this.#exactLeft--;
      return 1;
    }
    if (--this.#skip > 0) return 0;
    this.#skip = 1 + Math.floor(this.#random() * (2 * this.#every - 1));
    return this.#every;
  }
}

type Window = Record<TopMeasure, SpaceSaving>;

/** The heaviest targets of one worker, in the last one to two hours, in bounded memory. */
export class TopTargets {
  readonly #hits: Sampler;
  readonly #misses: Sampler;
  #current: Window = newWindow();
  #before: Window | null = null;
  #endsAtMs: number;

  /** `random` chooses the requests that are counted. */
  constructor(nowMs: number, random: () => number = Math.random) {
    this.#hits = new Sampler(HIT_SAMPLE, random);
    this.#misses = new Sampler(MISS_SAMPLE, random);
    this.#endsAtMs = nowMs + WINDOW_MS;
  }

  /** For how many hits the one that is under way is to be counted by {@linkcode addHit}; 0 for not at all. Asked once for each hit. */
  hitWeight(): number {
    return this.#hits.next();
  }

  /** For how many misses one that weighs so much is to be counted by {@linkcode addMiss}; 0 for not at all. Asked once for each miss. */
  missWeight({ bytes, ms }: Pick<Weights, "bytes" | "ms">): number {
    return bytes >= HEAVY_BYTES || ms >= HEAVY_MS ? 1 : this.#misses.next();
  }

  /** Counts a hit for as many as {@linkcode hitWeight} said. */
  addHit(key: string, request: Weights, weight: number): void {
    const window = this.#windowAt(request.nowMs);
    window.requests.add(key, weight);
    window.bytes.add(key, request.bytes * weight);
    window.ms.add(key, request.ms * weight);
  }

  /** Counts a request that was no hit, for as many as {@linkcode missWeight} said. */
  addMiss(key: string, request: Weights, weight: number): void {
    const window = this.#windowAt(request.nowMs);
    window.requests.add(key, weight);
    window.misses.add(key, weight);
    window.bytes.add(key, request.bytes * weight);
    window.ms.add(key, request.ms * weight);
  }

  /** The heaviest by each measure. */
  heaviest(nowMs: number): TopKeys {
    const windows = [this.#windowAt(nowMs), ...this.#before === null ? [] : [this.#before]];
    return keysBy((measure) => joined(windows.map((window) => window[measure].heaviest())));
  }

  #windowAt(nowMs: number): Window {
    if (nowMs < this.#endsAtMs) return this.#current;
    // After a longer silence the window before is over, too.
    this.#before = nowMs < this.#endsAtMs + WINDOW_MS ? this.#current : null;
    this.#current = newWindow();
    this.#hits.begin();
    this.#misses.begin();
    this.#endsAtMs = nowMs + WINDOW_MS;
    return this.#current;
  }
}

/** What one request weighs. */
export interface Weights {
  readonly bytes: number;
  readonly ms: number;
  readonly nowMs: number;
}

function newWindow(): Window {
  return keysBy(() => new SpaceSaving(CAPACITY));
}

/** A record of something for each measure. */
export function keysBy<T>(of: (measure: TopMeasure) => T): Record<TopMeasure, T> {
  return { requests: of("requests"), misses: of("misses"), bytes: of("bytes"), ms: of("ms") };
}

/** Several summaries as one, the heaviest first: weights of the same key are added up, and so is by how much they may be too high. */
export function joined(summaries: readonly (readonly Heavy[])[]): Heavy[] {
  const sums = new Map<string, Heavy>();
  for (const { key, weight, over } of summaries.flat()) {
    const sum = sums.get(key);
    sums.set(
      key,
      sum === undefined ? { key, weight, over } : { key, weight: sum.weight + weight, over: sum.over + over },
    );
  }
  return [...sums.values()].sort((a, b) => b.weight - a.weight);
}
