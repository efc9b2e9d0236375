import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import type { DiskTier } from "./disk/disk_tier.ts";
import type { MemoryEntry, MemoryTier } from "./memory/memory_tier.ts";
import type { Trust } from "./purge/trust.ts";
import { PurgeTable } from "./purge/purge_table.ts";
import type { Found, Store, TierStats } from "./store.ts";
import type { StoredResponse } from "./stored_response.ts";
import { areSameMarkers, isVaryMarker } from "./variants.ts";

/** Options of a tiered store. */
export interface TieredStoreOptions {
  readonly memory: MemoryTier;
  /** `null` keeps responses in memory only. */
  readonly disk: DiskTier | null;
  /** @default the machine's clock */
  readonly clock?: Clock;
  /**
   * The purges that look-ups are held against; its owner adds to it.
   * @default none
   */
  readonly purges?: PurgeTable;
  /**
   * Until when what is stored may be served unasked: beyond it all of it is validated first.
   * @default without an end
   */
  readonly trust?: Trust | null;
  /** Told of each `put`. */
  readonly onPut?: (response: StoredResponse) => void;
  /** Told of each `delete`, so that the other workers can `forget` the key. */
  readonly onDelete?: (key: string) => void;
}

/** A store over both tiers. */
export interface TieredStore extends Store {
  /** Removes what the key holds as `delete` does, at another worker's word: nobody is told. */
  forget(key: string): void;
}

class Tiers implements TieredStore {
  readonly #memory: MemoryTier;
  readonly #disk: DiskTier | null;
  readonly #clock: Clock;
  readonly #purges: PurgeTable;
  readonly #trust: Trust | null;
  readonly #onPut: TieredStoreOptions["onPut"];
  readonly #onDelete: TieredStoreOptions["onDelete"];

  constructor(options: TieredStoreOptions) {
    this.#memory = options.memory;
    this.#disk = options.disk;
    this.#clock = options.clock ?? systemClock;
    this.#purges = options.purges ?? new PurgeTable();
    this.#trust = options.trust ?? null;
    this.#onPut = options.onPut;
    this.#onDelete = options.onDelete;
  }

  get(key: string): Found | undefined | Promise<Found | undefined> {
    const found = this.#find(key);
    if (this.#trust === null || found === undefined) return found;
    const judge = (there: Found): Found =>
      this.isTrusted ? there : { ...there, response: this.trusted(there.response) };
    return found instanceof Promise ? found.then((late) => late && judge(late)) : judge(found);
  }

  get isTrusted(): boolean {
    return this.#trust === null || !this.#trust.isOver(this.#clock.now());
  }

  trusted(response: StoredResponse): StoredResponse {
    if (this.isTrusted || response.kind !== "response" && response.kind !== "part") return response;
    return response.with({ freshness: { ...response.freshness, alwaysValidate: true, mustRevalidate: true } });
  }

  #find(key: string): Found | undefined | Promise<Found | undefined> {
    const entry = this.#memory.get(key);
    if (entry !== undefined) {
      if (entry.purgeGeneration !== this.#purges.generation) return this.#judged(entry);
      if (this.#disk !== null) this.#tellUse(entry, this.#disk);
      return entry;
    }
    return this.#getFromDisk(key, -Infinity);
  }

  put(response: StoredResponse): void {
    // Before it can be found: a purge by its tag must not be skipped.
    this.#onPut?.(response);
    if (response.tiers.memory) this.#memory.put(response, this.#clock.now());
    else this.#memory.delete(response.key);
    if (response.tiers.disk) this.#disk?.put(response);
    else this.#disk?.delete(response.key);
  }

  adopt(response: StoredResponse): void {
    if (!response.tiers.memory) return;
    const held = isVaryMarker(response) ? this.#memory.peek(response.key)?.response : undefined;
    // What it leads to here came earlier than the variant that another worker has just fetched.
    if (held !== undefined && areSameMarkers(held, response) && held.requestTimeMs <= response.requestTimeMs) return;
    this.#memory.put(response, this.#clock.now());
  }

  takeOver(response: StoredResponse): StoredResponse | undefined {
    const left = this.#purges.apply(response);
    if (left === undefined) return undefined;
    const held = isVaryMarker(left) ? this.#memory.peek(left.key)?.response : undefined;
    if (held !== undefined && areSameMarkers(held, left) && held.requestTimeMs <= left.requestTimeMs) return left;
    this.put(left);
    return left;
  }

  isOnItsWay(key: string): boolean {
    return this.#disk?.isOnItsWay(key) ?? false;
  }

  get purgePosition(): number {
    return this.#purges.position;
  }

  isPurged(response: StoredResponse): boolean {
    return this.#purges.apply(response) !== response;
  }

  delete(key: string): void {
    this.forget(key);
    this.#onDelete?.(key);
  }

  forget(key: string): void {
    this.#memory.delete(key);
    this.#disk?.delete(key);
  }

  stats(): { readonly memory: TierStats; readonly disk: TierStats | null } {
    return { memory: this.#memory.stats(), disk: this.#disk?.stats() ?? null };
  }

  async close(graceMs: number): Promise<void> {
    await this.#disk?.close(graceMs);
  }

  /** Memory hits never reach the disk tier's look-ups; without this, hot entries would be evicted there first. */
  #tellUse(entry: MemoryEntry, disk: DiskTier): void {
    const nowMs = this.#clock.now();
    if (nowMs - entry.touchedAtMs < disk.touchEveryMs) return;
    entry.touchedAtMs = nowMs;
    if (entry.response.tiers.disk) disk.touch(entry.key);
  }

  /** Ignores a response requested before `sinceMs`: memory held a newer one, which is purged. */
  #getFromDisk(key: string, sinceMs: number): Found | undefined | Promise<Found | undefined> {
    const onDisk = this.#disk?.get(key);
    if (onDisk === undefined) return undefined;
    return onDisk instanceof Promise
      ? onDisk.then((response) => this.#fromDisk(response, sinceMs))
      : this.#fromDisk(onDisk, sinceMs);
  }

  /** Where a purge since the last look-up removes an entry, the disk may hold a newer one that another worker has fetched. */
  #judged(entry: MemoryEntry): Found | undefined | Promise<Found | undefined> {
    const { requestTimeMs } = entry.response;
    return this.#purged(entry) ?? this.#getFromDisk(entry.key, requestTimeMs);
  }

  /** The entry held against the rules that came since it was last; the next hits pay a comparison of two numbers. */
  #purged(entry: MemoryEntry): Found | undefined {
    const { response } = entry;
    const left = this.#purges.apply(response);
    if (left === undefined) {
      this.#memory.delete(entry.key);
      return undefined;
    }
    entry.purgeGeneration = this.#purges.generation;
    entry.response = left;
    return entry;
  }

  /** A put during the read counts. */
  #fromDisk(response: StoredResponse | undefined, sinceMs: number): Found | undefined {
    if (response === undefined) return undefined;
    const newer = this.#memory.peek(response.key);
    if (newer !== undefined) return this.#purged(newer);
    const left = response.requestTimeMs < sinceMs ? undefined : this.#purges.apply(response);
    if (left === undefined) {
      this.#disk?.delete(response.key, response.requestTimeMs);
      return undefined;
    }
    if (left.tiers.memory) {
      const entry = this.#memory.put(left, this.#clock.now());
      if (entry !== undefined) entry.purgeGeneration = this.#purges.generation;
    }
    return { response: left, tier: "disk" };
  }
}

/** A store over the memory tier and, where there is one, the disk tier. */
export function createTieredStore(options: TieredStoreOptions): TieredStore {
  return new Tiers(options);
}
