import {
  CACHE_RESULT_INDEX,
  CACHE_RESULTS,
  type CacheResult,
  isHit,
  type WorkerCounts,
} from "../../metrics/gateway_metrics.ts";

/** All requests, those that the cache was asked for, and those of them that it answered. */
interface Answered {
  readonly all: number;
  readonly asked: number;
  readonly served: number;
}

/** What was counted until a moment, by listener, and of all under `null`. */
type Snapshot = ReadonlyMap<string | null, Answered>;

/** Parts of the requests that the cache answered, from 0 to 1; `null` where it was not asked. */
export interface HitRates {
  /** Requests in a second, over the last ten; `null` where nothing is known yet. */
  readonly perSecond: number | null;
  readonly lastMinute: number | null;
  readonly lastHour: number | null;
  readonly sinceStart: number | null;
}

/** Snapshots kept of each window. */
const KEPT = 60;
/** Snapshots, a second apart, that requests in a second are counted over. */
const LATELY = 10;
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const SERVED: readonly CacheResult[] = CACHE_RESULTS.filter(isHit);
const NOT_ASKED: readonly CacheResult[] = ["bypass", "none"];

/** Remembers what was counted, a second and a minute apart, so that hit rates can be told for the last minute and hour. */
export class HitHistory {
  readonly #seconds = new Ring(SECOND_MS);
  readonly #minutes = new Ring(MINUTE_MS);
  #now: Snapshot = new Map();

  /** Takes what has been counted until now; about once a second. */
  record(counts: WorkerCounts, nowMs: number): void {
    const now = new Map<string | null, Answered>();
    for (const [name, { byCache }] of Object.entries(counts.listeners)) now.set(name, answered(byCache));
    now.set(null, [...now.values()].reduce(add, NOTHING));
    this.#now = now;
    this.#seconds.add(this.#now, nowMs);
    this.#minutes.add(this.#now, nowMs);
  }

  /** The rates of a listener, or of all for `null`, by what was recorded last. */
  rates(listener: string | null): HitRates {
    const now = this.#now.get(listener) ?? NOTHING;
    return {
      perSecond: this.#seconds.perSecond(listener),
      lastMinute: rate(now, this.#seconds.oldest?.get(listener)),
      lastHour: rate(now, this.#minutes.oldest?.get(listener)),
      sinceStart: rate(now, NOTHING),
    };
  }
}

const NOTHING: Answered = { all: 0, asked: 0, served: 0 };

/** Snapshots at least so far apart, the newest `KEPT` of them. */
class Ring {
  readonly #everyMs: number;
  readonly #snapshots: { readonly counted: Snapshot; readonly atMs: number }[] = [];

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** As long as the window reaches back behind the first snapshot there is none: nothing was counted before. */
  get oldest(): Snapshot | undefined {
    return this.#snapshots.length > KEPT ? this.#snapshots[0]!.counted : undefined;
  }

  /** Requests in a second, from `LATELY` snapshots ago, or the first, to the last; `null` where there is one alone. */
  perSecond(listener: string | null): number | null {
    const last = this.#snapshots.at(-1);
    const first = this.#snapshots.at(-1 - LATELY) ?? this.#snapshots[0];
    if (last === undefined || first === undefined || first === last) return null;
    const all = ({ counted }: typeof last) => (counted.get(listener) ?? NOTHING).all;
    return Math.round(Math.max(0, all(last) - all(first)) / (last.atMs - first.atMs) * 10_000) / 10;
  }

  add(snapshot: Snapshot, nowMs: number): void {
    // Timers are late by a little; that must not stretch the window.
    if (nowMs - (this.#snapshots.at(-1)?.atMs ?? -Infinity) < this.#everyMs * 0.9) return;
    this.#snapshots.push({ counted: snapshot, atMs: nowMs });
    if (this.#snapshots.length > KEPT + 1) this.#snapshots.shift();
  }
}

function add(one: Answered, other: Answered): Answered {
  return { all: one.all + other.all, asked: one.asked + other.asked, served: one.served + other.served };
}

function answered(byCache: readonly number[]): Answered {
  const count = (names: readonly CacheResult[]) =>
    names.reduce((sum, name) => sum + (byCache[CACHE_RESULT_INDEX[name]] ?? 0), 0);
  const all = byCache.reduce((sum, value) => sum + value, 0);
  return { all, asked: all - count(NOT_ASKED), served: count(SERVED) };
}

function rate(now: Answered, before: Answered = NOTHING): number | null {
  const asked = now.asked - before.asked;
  return asked <= 0 ? null : Math.round((now.served - before.served) / asked * 10_000) / 10_000;
}
