import { hash32 } from "../../hash.ts";
import { listenerOfKey, type TierStats } from "../store.ts";
import { heldBytes, type StoredResponse } from "../stored_response.ts";
import { MemoryEntry, type Removed, TenantEntries } from "./_tenant_entries.ts";

export type { MemoryEntry } from "./_tenant_entries.ts";

/** Largest part of a tier's limit that one entry takes where nothing else is said. */
export const MAX_ENTRY_SHARE = 0.125;

/** Options of a memory tier. */
export interface MemoryTierOptions {
  /** Bytes held at most, all listeners together. */
  readonly limitBytes: number;
  /**
   * Largest part of the limit that one entry may take, from 0 to 1; a larger one is not kept.
   * @default {@linkcode MAX_ENTRY_SHARE}
   */
  readonly maxEntryShare?: number;
  /**
   * Part of the limit that is guaranteed to the listeners, split evenly among those that hold anything, from 0 to 0.8: what a
   * listener holds below its split is never evicted for another listener.
   * @default 0.5
   */
  readonly guaranteedShare?: number;
  /**
   * From 0 to 1.
   * @default Math.random
   */
  readonly random?: () => number;
}

/** Entries and bytes of one listener in one tier. */
export interface ListenerUsage {
  readonly entries: number;
  readonly bytes: number;
}

/** Listeners looked at for one eviction: all of them in a usual config, a rotating sample in a large one. */
const VICTIM_SAMPLE = 16;
/** Where a limit was lowered. */
const EVICTIONS_AT_ONCE = 500;

/**
 * Keeps stored responses in this worker's memory, bounded by bytes. Every call returns at once.
 *
 * Within a listener what is used often stays, so that no scan can flush it; see `_eviction_order.ts`. Between listeners, the one whose next
 * entry has been unused longest is evicted from, unless that would take it below its guaranteed share.
 */
export class MemoryTier {
  #limitBytes = 0;
  #maxEntryBytes = 0;
  #guaranteedBytes = 0;
  readonly #maxEntryShare: number;
  readonly #guaranteedShare: number;
  readonly #random: () => number;
  /** So that nobody outside can tell which keys share a counter. */
  readonly #seed: number;
  readonly #tenants = new Map<string, TenantEntries>();
  #order: TenantEntries[] = [];
  #turn = 0;
  #bytes = 0;
  #entries = 0;
  #evictions = 0;
  #uses = 0;
  #last: TenantEntries | undefined;

  /** @throws {RangeError} when a limit makes no sense */
  constructor(options: MemoryTierOptions) {
    const { limitBytes, maxEntryShare = MAX_ENTRY_SHARE, guaranteedShare = 0.5, random = Math.random } = options;
    if (!(maxEntryShare > 0 && maxEntryShare <= 1)) {
      throw new RangeError(`Cannot make a memory tier: maxEntryShare must be in (0, 1]: received ${maxEntryShare}`);
    }
    if (!(guaranteedShare >= 0 && guaranteedShare <= 0.8)) {
      throw new RangeError(
        `Cannot make a memory tier: guaranteedShare must be in [0, 0.8]: received ${guaranteedShare}`,
      );
    }
    this.#random = random;
    this.#seed = random() * 2 ** 32 | 0;
    this.#maxEntryShare = maxEntryShare;
    this.#guaranteedShare = guaranteedShare;
    this.limit(limitBytes);
  }

  /**
   * Bounds what is held from now on. What is over a lower limit goes with {@linkcode trim}, and with what is put.
   *
   * @throws {RangeError} when the limit makes no sense
   */
  limit(limitBytes: number): void {
    if (!(limitBytes >= 0)) {
      throw new RangeError(`Cannot limit a memory tier: limitBytes must be >= 0: received ${limitBytes}`);
    }
    this.#limitBytes = Math.floor(limitBytes);
    this.#maxEntryBytes = Math.floor(limitBytes * this.#maxEntryShare);
    this.#guaranteedBytes = limitBytes * this.#guaranteedShare;
  }

  /** Evicts some of what is over the limit, within a millisecond or so; answers whether there is more. */
  trim(): boolean {
    this.#makeRoom(0);
    return this.#bytes > this.#limitBytes;
  }

  /** The entry that `key` holds, now the most recently used one. */
  get(key: string): MemoryEntry | undefined {
    const entry = this.#tenantOf(key)?.get(key);
    if (entry === undefined) return undefined;
    entry.usedAt = ++this.#uses;
    entry.hits++;
    return entry;
  }

  /** The entry that `key` holds, without counting as a use. */
  peek(key: string): MemoryEntry | undefined {
    return this.#tenantOf(key)?.peek(key);
  }

  /** Keeps a response in place of what its key held. Returns whether it was kept: one that is too large is not. */
  put(given: StoredResponse, nowMs: number): MemoryEntry | undefined {
    const response = given.owned();
    const bytes = heldBytes(response);
    const replaced = this.#take(response.key);
    if (bytes > this.#maxEntryBytes || !this.#makeRoom(bytes)) {
      this.#forgetIfEmpty(this.#tenantOf(response.key));
      return undefined;
    }
    const hash = hash32(response.key, this.#seed);
    const entry = new MemoryEntry(response, { bytes, hash, use: ++this.#uses, nowMs });
    this.#tenantFor(response.key).add(entry, replaced);
    this.#bytes += bytes;
    this.#entries++;
    return entry;
  }

  /** Removes what `key` holds; returns whether it held anything. */
  delete(key: string): boolean {
    const isHeld = this.#take(key) !== undefined;
    this.#forgetIfEmpty(this.#tenantOf(key));
    return isHeld;
  }

  /** Figures of the tier; the sums are kept as entries come and go. */
  stats(): TierStats {
    return {
      entries: this.#entries,
      bytes: this.#bytes,
      limitBytes: this.#limitBytes,
      evictions: this.#evictions,
      queuedWrites: 0,
      droppedWrites: 0,
      corrupt: 0,
      sparedReads: 0,
      emptyReads: 0,
    };
  }

  /** Entries and bytes by listener. */
  usage(): Map<string, ListenerUsage> {
    const usage = new Map<string, ListenerUsage>();
    for (const tenant of this.#order) usage.set(tenant.name, { entries: tenant.entries, bytes: tenant.bytes });
    return usage;
  }

  /** All entries, for a check or a sweep; not for the request path. */
  *entries(): Generator<MemoryEntry> {
    for (const tenant of this.#order) yield* tenant.values();
  }

  /** Its listener may be left with nothing: one that is put to next keeps its counters. */
  #take(key: string): Removed | undefined {
    const removed = this.#tenantOf(key)?.remove(key);
    if (removed === undefined) return undefined;
    this.#bytes -= removed.entry.bytes;
    this.#entries--;
    return removed;
  }

  /** Answers whether there is room: below a limit that has just been lowered, there is not until enough is evicted. */
  #makeRoom(bytes: number): boolean {
    const most = this.#bytes > this.#limitBytes ? EVICTIONS_AT_ONCE : Infinity;
    for (let n = 0; n < most && this.#bytes + bytes > this.#limitBytes; n++) {
      const victim = this.#victim();
      const evicted = victim.evict();
      // Cannot be: bytes are held, so a listener holds them. Without an entry there is no room to make.
      if (evicted === undefined) {
        throw new Error("Cannot evict from the memory tier: its sums disagree with its entries");
      }
      this.#bytes -= evicted.bytes;
      this.#entries--;
      this.#evictions++;
      this.#forgetIfEmpty(victim);
    }
    return this.#bytes + bytes <= this.#limitBytes;
  }

  /** The listener that gives way: of those above their guaranteed share, the one whose next entry is out of use longest. */
  #victim(): TenantEntries {
    const guaranteed = this.#guaranteedBytes / this.#order.length;
    let victim: TenantEntries | undefined;
    let oldest = Infinity;
    for (let looked = 0; looked < this.#order.length; looked++) {
      if (looked >= VICTIM_SAMPLE && victim !== undefined) break;
      const tenant = this.#order[this.#turn++ % this.#order.length]!;
      if (tenant.bytes <= guaranteed) continue;
      const use = tenant.oldestUse();
      if (use >= oldest) continue;
      victim = tenant;
      oldest = use;
    }
    // One is always above: an entry takes a part of the limit at most, and the guarantees together leave that part free or
    // the tier holds less than its guarantees, when the largest one gives way.
    return victim ?? this.#order.reduce((a, b) => a.bytes >= b.bytes ? a : b);
  }

  #tenantOf(key: string): TenantEntries | undefined {
    const last = this.#last;
    // Most look-ups in a row are of one listener; this saves the slice and the look-up of its name.
    if (last !== undefined && key.charCodeAt(last.name.length) === 0 && key.startsWith(last.name)) return last;
    const tenant = this.#tenants.get(listenerOfKey(key));
    if (tenant !== undefined) this.#last = tenant;
    return tenant;
  }

  #tenantFor(key: string): TenantEntries {
    const held = this.#tenantOf(key);
    if (held !== undefined) return held;
    const tenant = new TenantEntries(listenerOfKey(key), this.#random);
    this.#tenants.set(tenant.name, tenant);
    this.#order.push(tenant);
    return tenant;
  }

  #forgetIfEmpty(tenant: TenantEntries | undefined): void {
    if (tenant === undefined || tenant.entries > 0) return;
    this.#tenants.delete(tenant.name);
    this.#order = this.#order.filter((other) => other !== tenant);
    if (this.#last === tenant) this.#last = undefined;
  }
}

/** A memory tier; see {@linkcode MemoryTier}. @throws {RangeError} when a limit makes no sense */
export function createMemoryTier(options: MemoryTierOptions): MemoryTier {
  return new MemoryTier(options);
}
