import type { Clock } from "../../clock.ts";
import type { TierStats } from "../store.ts";
import type { StoredResponse } from "../stored_response.ts";
import type { DiskTier } from "./disk_tier.ts";

/** Keys that are remembered at most while there is no tier. */
const MAX_KEYS = 20_000;

/**
 * Stands in for a disk tier that another process still has: it holds nothing, and remembers which keys were removed or stored anew, so
 * that what the disk holds of them from before does not come back when it is taken.
 */
export class LateDisk implements DiskTier {
  readonly #clock: Clock;
  /** Until when each of the keys was asked for last. */
  readonly #superseded = new Map<string, number>();
  #tier: DiskTier | null = null;
  #hasForgotten = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the tier is there. */
  get isTaken(): boolean {
    return this.#tier !== null;
  }

  /**
   * Passes everything on to `tier` from now on, and removes from it what was superseded meanwhile. `false` where more was than could be
   * remembered: then nothing on disk from before may be used.
   */
  take(tier: DiskTier): boolean {
    this.#tier = tier;
    for (const [key, timeMs] of this.#superseded) tier.delete(key, timeMs);
    this.#superseded.clear();
    return !this.#hasForgotten;
  }

  get(key: string): StoredResponse | undefined | Promise<StoredResponse | undefined> {
    return this.#tier?.get(key);
  }

  put(response: StoredResponse): void {
    if (this.#tier !== null) return this.#tier.put(response);
    this.#supersede(response.key, response.requestTimeMs);
  }

  delete(key: string, untilMs = Infinity): void {
    if (this.#tier !== null) return this.#tier.delete(key, untilMs);
    this.#supersede(key, Math.min(untilMs, this.#clock.now()));
  }

  isOnItsWay(key: string): boolean {
    return this.#tier?.isOnItsWay(key) ?? false;
  }

  touch(key: string): void {
    this.#tier?.touch(key);
  }

  get touchEveryMs(): number {
    return this.#tier?.touchEveryMs ?? Infinity;
  }

  stats(): TierStats {
    return this.#tier?.stats() ?? NOTHING;
  }

  async close(graceMs: number): Promise<void> {
    await this.#tier?.close(graceMs);
  }

  #supersede(key: string, timeMs: number): void {
    const known = this.#superseded.get(key);
    if (known === undefined && this.#superseded.size >= MAX_KEYS) this.#hasForgotten = true;
    else this.#superseded.set(key, Math.max(known ?? 0, timeMs));
  }
}

const NOTHING: TierStats = {
  entries: 0,
  bytes: 0,
  limitBytes: 0,
  evictions: 0,
  queuedWrites: 0,
  droppedWrites: 0,
  corrupt: 0,
  sparedReads: 0,
  emptyReads: 0,
};
