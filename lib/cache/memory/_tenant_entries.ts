import type { Found } from "../store.ts";
import type { StoredResponse } from "../stored_response.ts";
import { Evictable, EvictionOrder } from "./_eviction_order.ts";
import { OrderTrial } from "./_order_trial.ts";

/** One entry of the memory tier. It is what a look-up answers too, so that a hit allocates nothing. */
export class MemoryEntry extends Evictable implements Found {
  /** Replaced only by a response of the same size, where a purge makes it stale. */
  response: StoredResponse;
  /** Number of the tier's last use of it, for comparing listeners. */
  usedAt: number;
  /** When the disk tier was last told that it is in use, in milliseconds. */
  touchedAtMs: number;
  /** Look-ups that have found it. */
  hits = 0;
  /** Generation of purge rules that it has been held against. */
  purgeGeneration = -1;

  constructor(
    response: StoredResponse,
    at: { readonly bytes: number; readonly hash: number; readonly use: number; readonly nowMs: number },
  ) {
    super(at.bytes, at.hash);
    this.response = response;
    this.usedAt = at.use;
    this.touchedAtMs = at.nowMs;
  }

  get key(): string {
    return this.response.key;
  }

  get tier(): "memory" {
    return "memory";
  }
}

/** An entry that was taken out, with what one in its place keeps of it. */
export interface Removed {
  readonly entry: MemoryEntry;
  readonly heat: number;
  readonly wasProtected: boolean;
}

/** What one listener holds in memory, and in which order that is evicted. */
export class TenantEntries {
  readonly name: string;
  readonly #entries = new Map<string, MemoryEntry>();
  readonly #order: EvictionOrder;
  readonly #trial: OrderTrial;

  constructor(name: string, random: () => number) {
    this.name = name;
    this.#order = new EvictionOrder({ random });
    this.#trial = new OrderTrial(random);
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#order.bytes;
  }

  /** Entries held. */
  get entries(): number {
    return this.#entries.size;
  }

  /** The entry; it counts as a use. */
  get(key: string): MemoryEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#order.use(entry);
    this.#try(entry);
    return entry;
  }

  /** The entry, without counting as a use. */
  peek(key: string): MemoryEntry | undefined {
    return this.#entries.get(key);
  }

  /** Adds an entry whose key is not held, in place of one that was removed. */
  add(entry: MemoryEntry, replaced?: Removed): void {
    this.#entries.set(entry.key, entry);
    this.#order.add(entry, replaced);
    this.#try(entry);
  }

  /** Takes an entry out. */
  remove(key: string): Removed | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    return { entry, heat: entry.heat, wasProtected: this.#order.remove(entry) };
  }

  /** Number of the last use of the entry that would go first; `Infinity` where nothing is held. */
  oldestUse(): number {
    return (this.#order.next as MemoryEntry | null)?.usedAt ?? Infinity;
  }

  /** Evicts an entry. */
  evict(): MemoryEntry | undefined {
    const evicted = this.#order.evict() as MemoryEntry | null;
    if (evicted === null) return undefined;
    this.#entries.delete(evicted.key);
    return evicted;
  }

  /** All entries, in no order that matters. */
  values(): IterableIterator<MemoryEntry> {
    return this.#entries.values();
  }

  #try(entry: MemoryEntry): void {
    if (!OrderTrial.samples(entry.hash)) return;
    this.#order.isByRecency = this.#trial.isRecencyBetter(entry, this.#order.bytes, this.#order.isByRecency);
  }
}
