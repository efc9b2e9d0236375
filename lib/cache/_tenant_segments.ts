import { LRUCache } from "lru-cache";
import type { Found } from "./store.ts";

/** One entry of the memory tier. */
export interface MemoryEntry {
  readonly key: string;
  /** Made once, so that a hit allocates nothing; replaced only by a response of the same size. */
  found: Found;
  /** What it is counted with; fixed when it is put. */
  readonly bytes: number;
  /** Number of the tier's last use of it, for comparing listeners. */
  usedAt: number;
  /** When the disk tier was last told that it is in use, in milliseconds. */
  touchedAtMs: number;
  /** Generation of purge rules that it has been held against. */
  purgeGeneration: number;
}

/** Of a listener's bytes, the part that entries used more than once may fill. */
const PROTECTED_SHARE = 0.8;
const DEMOTIONS_AT_ONCE = 8;

/**
 * What one listener holds in memory: a segmented LRU. A new entry goes on probation, its first hit moves it to the protected
 * segment, and room is made on probation first. So a scan, which uses each entry once, cannot flush what is in use.
 */
export class TenantSegments {
  readonly name: string;
  readonly #probation: LRUCache<string, MemoryEntry>;
  readonly #protected: LRUCache<string, MemoryEntry>;
  #probationBytes = 0;
  #protectedBytes = 0;

  /** `limitBytes` is the whole tier's: the tier, not this class, decides when room is needed. */
  constructor(name: string, limitBytes: number) {
    this.name = name;
    const options = { maxSize: limitBytes + 1, sizeCalculation: (entry: MemoryEntry) => entry.bytes };
    this.#probation = new LRUCache(options);
    this.#protected = new LRUCache(options);
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#probationBytes + this.#protectedBytes;
  }

  /** Entries held. */
  get entries(): number {
    return this.#probation.size + this.#protected.size;
  }

  /** The entry, now the most recently used one of the protected segment. */
  get(key: string): MemoryEntry | undefined {
    const entry = this.#protected.get(key);
    if (entry !== undefined) return entry;
    const first = this.#probation.peek(key);
    if (first === undefined) return undefined;
    this.#promote(first);
    return first;
  }

  /** The entry, without counting as a use. */
  peek(key: string): MemoryEntry | undefined {
    return this.#protected.peek(key) ?? this.#probation.peek(key);
  }

  /** Adds an entry whose key is not held. One that replaces a protected entry stays protected. */
  add(entry: MemoryEntry, isProtected: boolean): void {
    if (isProtected) this.#protect(entry);
    else this.#hold(entry);
  }

  /** Takes an entry out. */
  remove(key: string): { readonly entry: MemoryEntry; readonly wasProtected: boolean } | undefined {
    const inProtected = this.#protected.peek(key);
    const entry = inProtected ?? this.#probation.peek(key);
    if (entry === undefined) return undefined;
    if (inProtected === undefined) this.#drop(entry);
    else this.#unprotect(entry);
    return { entry, wasProtected: inProtected !== undefined };
  }

  /** Number of the last use of the entry that would go first; `Infinity` where nothing is held. */
  oldestUse(): number {
    const segment = this.#probation.size > 0 ? this.#probation : this.#protected;
    const oldest = segment.rvalues().next().value;
    return oldest === undefined ? Infinity : oldest.usedAt;
  }

  /** Evicts the least recently used entry of probation, after the protected segment gave back what is above its share. */
  evict(): MemoryEntry | undefined {
    // A few at a time: what is left to give back is given back by the next evictions.
    for (let n = 0; n < DEMOTIONS_AT_ONCE && this.#protectedBytes > this.bytes * PROTECTED_SHARE; n++) this.#demote();
    const onProbation = this.#probation.pop();
    if (onProbation !== undefined) {
      this.#probationBytes -= onProbation.bytes;
      return onProbation;
    }
    const entry = this.#protected.pop();
    if (entry !== undefined) this.#protectedBytes -= entry.bytes;
    return entry;
  }

  /** All entries, in no order that matters. */
  *values(): Generator<MemoryEntry> {
    yield* this.#protected.values();
    yield* this.#probation.values();
  }

  #promote(entry: MemoryEntry): void {
    this.#drop(entry);
    this.#protect(entry);
  }

  #demote(): void {
    const oldest = this.#protected.pop();
    if (oldest === undefined) return;
    this.#protectedBytes -= oldest.bytes;
    this.#hold(oldest);
  }

  #protect(entry: MemoryEntry): void {
    this.#protected.set(entry.key, entry);
    this.#protectedBytes += entry.bytes;
  }

  #unprotect(entry: MemoryEntry): void {
    this.#protected.delete(entry.key);
    this.#protectedBytes -= entry.bytes;
  }

  #hold(entry: MemoryEntry): void {
    this.#probation.set(entry.key, entry);
    this.#probationBytes += entry.bytes;
  }

  #drop(entry: MemoryEntry): void {
    this.#probation.delete(entry.key);
    this.#probationBytes -= entry.bytes;
  }
}
