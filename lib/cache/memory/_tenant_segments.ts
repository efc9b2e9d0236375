import type { Found } from "../store.ts";
import type { StoredResponse } from "../stored_response.ts";

/** One entry of the memory tier. It is what a look-up answers too, so that a hit allocates nothing. */
export class MemoryEntry implements Found {
  /** Replaced only by a response of the same size, where a purge makes it stale. */
  response: StoredResponse;
  /** Bytes that it is counted with; fixed when it is put. */
  readonly bytes: number;
  /** Number of the tier's last use of it, for comparing listeners. */
  usedAt: number;
  /** When the disk tier was last told that it is in use, in milliseconds. */
  touchedAtMs: number;
  /** Generation of purge rules that it has been held against. */
  purgeGeneration = -1;
  /** Its neighbours in its segment. */
  older: MemoryEntry | null = null;
  newer: MemoryEntry | null = null;
  isProtected = false;

  constructor(response: StoredResponse, at: { readonly bytes: number; readonly use: number; readonly nowMs: number }) {
    this.response = response;
    this.bytes = at.bytes;
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

/** Entries in the order of their last use. */
class Segment {
  oldest: MemoryEntry | null = null;
  newest: MemoryEntry | null = null;
  bytes = 0;

  add(entry: MemoryEntry): void {
    entry.older = this.newest;
    if (this.newest === null) this.oldest = entry;
    else this.newest.newer = entry;
    this.newest = entry;
    this.bytes += entry.bytes;
  }

  remove(entry: MemoryEntry): void {
    const { older, newer } = entry;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.newest = older;
    else newer.older = older;
    entry.older = null;
    entry.newer = null;
    this.bytes -= entry.bytes;
  }
}

/** Of a listener's bytes, the part that entries used more than once may fill. */
const PROTECTED_SHARE = 0.8;
const DEMOTIONS_AT_ONCE = 8;

/**
 * The entries of one listener in memory: a segmented LRU. A new entry goes on probation, its first hit moves it to the protected
 * segment, and room is made on probation first. So a scan, which uses each entry once, cannot flush what is in use.
 */
export class TenantSegments {
  readonly name: string;
  readonly #entries = new Map<string, MemoryEntry>();
  readonly #probation = new Segment();
  readonly #protected = new Segment();

  constructor(name: string) {
    this.name = name;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#probation.bytes + this.#protected.bytes;
  }

  /** Entries held. */
  get entries(): number {
    return this.#entries.size;
  }

  /** The entry, now the most recently used one of the protected segment. */
  get(key: string): MemoryEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry === this.#protected.newest) return entry;
    this.#segmentOf(entry).remove(entry);
    entry.isProtected = true;
    this.#protected.add(entry);
    return entry;
  }

  /** The entry, without counting as a use. */
  peek(key: string): MemoryEntry | undefined {
    return this.#entries.get(key);
  }

  /** Adds an entry whose key is not held. One that replaces a protected entry stays protected. */
  add(entry: MemoryEntry, isProtected: boolean): void {
    this.#entries.set(entry.key, entry);
    entry.isProtected = isProtected;
    this.#segmentOf(entry).add(entry);
  }

  /** Takes an entry out. */
  remove(key: string): MemoryEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#segmentOf(entry).remove(entry);
    return entry;
  }

  /** Number of the last use of the entry that would go first; `Infinity` where nothing is held. */
  oldestUse(): number {
    return (this.#probation.oldest ?? this.#protected.oldest)?.usedAt ?? Infinity;
  }

  /** Evicts the least recently used entry of probation, after the protected segment gave back what is above its share. */
  evict(): MemoryEntry | undefined {
    // A few at a time: what is left to give back is given back by the next evictions.
    for (let n = 0; n < DEMOTIONS_AT_ONCE && this.#protected.bytes > this.bytes * PROTECTED_SHARE; n++) this.#demote();
    const oldest = this.#probation.oldest ?? this.#protected.oldest;
    return oldest === null ? undefined : this.remove(oldest.key);
  }

  /** All entries, in no order that matters. */
  values(): IterableIterator<MemoryEntry> {
    return this.#entries.values();
  }

  #demote(): void {
    const { oldest } = this.#protected;
    if (oldest === null) return;
    this.#protected.remove(oldest);
    oldest.isProtected = false;
    this.#probation.add(oldest);
  }

  #segmentOf(entry: MemoryEntry): Segment {
    return entry.isProtected ? this.#protected : this.#probation;
  }
}
