/** What the order of eviction knows of an entry. */
export class Evictable {
  /** What it is counted with; fixed when it is put. */
  readonly bytes: number;
  /** Hash of its key, 32 bits. */
  readonly hash: number;
  /** Uses, and the age of the order when they were counted: `age << 4 | uses`. */
  heat = 0;
  segment: Segment | null = null;
  /** Its neighbours in its segment. */
  older: Evictable | null = null;
  newer: Evictable | null = null;

  constructor(bytes: number, hash: number) {
    this.bytes = bytes;
    this.hash = hash;
  }
}

/** Entries in the order of their last use. */
class Segment {
  oldest: Evictable | null = null;
  newest: Evictable | null = null;
  bytes = 0;

  add(entry: Evictable): void {
    entry.segment = this;
    entry.older = this.newest;
    entry.newer = null;
    if (this.newest === null) this.oldest = entry;
    else this.newest.newer = entry;
    this.newest = entry;
    this.bytes += entry.bytes;
  }

  remove(entry: Evictable): void {
    const { older, newer } = entry;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.newest = older;
    else newer.older = older;
    entry.segment = null;
    entry.older = null;
    entry.newer = null;
    this.bytes -= entry.bytes;
  }
}

/** Part of the bytes in which new entries wait for a second use before they are compared with older ones. */
const WINDOW_SHARE = 0.05;
/** Part of the bytes that entries used more than once may fill. */
const PROTECTED_SHARE = 0.8;
/** Entries moved between segments for one eviction. */
const MOVES_AT_ONCE = 8;
/** Uses are counted up to here. */
const MAX_USES = 15;
/** Ages are counted modulo this: a number that only grows would leave the bits that a heat has for it. */
const AGES = 2 ** 12;
/** Uses count half after as many puts and hits as this times the entries held. */
const HALF_LIFE = 5;
/** Counters of gone entries' uses for each entry held: with these and the half-life, one new key in fourteen is taken for one that is known. */
const COUNTERS = 32;
/** A well-used entry that would be rejected is let in now and then, so that nobody can keep it out by keys that share its counters. */
const LUCKY_SHARE = 1 / 128;
const LUCKY_USES = 6;

/** How entries are ranked. */
export interface EvictionOrderOptions {
  /** From 0 to 1. */
  readonly random: () => number;
  /** Evict what has been out of use longest, whatever was used how often. */
  readonly isByRecency?: boolean;
}

/**
 * The order in which entries are evicted. By frequency (W-TinyLFU: Einziger, Friedman, Manes, ACM TOS 2017): a new entry waits in a window;
 * what leaves the window replaces the next entry of the main segments only if it was used more often, of late, gone entries' uses included. So
 * neither a scan nor a loop that is larger than the room flushes what is in use. By recency it is a plain LRU: all that is put or used stands in
 * the window; what the main segments still hold from before was not used since, and goes first.
 */
export class EvictionOrder {
  isByRecency: boolean;
  readonly #random: () => number;
  readonly #window = new Segment();
  readonly #probation = new Segment();
  readonly #protected = new Segment();
  #entries = 0;
  #age = 0;
  #countedUses = 0;
  #gone = new GoneUses(0);

  constructor({ random, isByRecency = false }: EvictionOrderOptions) {
    this.#random = random;
    this.isByRecency = isByRecency;
  }

  /** Bytes of all entries. */
  get bytes(): number {
    return this.#window.bytes + this.#probation.bytes + this.#protected.bytes;
  }

  /** Entries held. */
  get entries(): number {
    return this.#entries;
  }

  /** Adds a new entry, or one in place of `replaced`, which was removed: it keeps that one's uses and rank. */
  add(entry: Evictable, replaced?: { readonly heat: number; readonly wasProtected: boolean }): void {
    this.#entries++;
    this.#grow();
    entry.heat = this.#heat(replaced === undefined ? this.#gone.uses(entry.hash) + 1 : this.#usesOf(replaced.heat));
    (replaced?.wasProtected === true && !this.isByRecency ? this.#protected : this.#window).add(entry);
  }

  /** Notes a hit. */
  use(entry: Evictable): void {
    this.#grow();
    entry.heat = this.#heat(this.#usesOf(entry.heat) + 1);
    const segment = entry.segment!;
    const next = this.isByRecency || segment === this.#window && this.#isWindowSmall ? this.#window : this.#protected;
    if (entry === next.newest) return;
    segment.remove(entry);
    next.add(entry);
  }

  /** Takes an entry out; answers whether it was one that has been used more than once. */
  remove(entry: Evictable): boolean {
    const { segment } = entry;
    segment?.remove(entry);
    this.#entries--;
    return segment === this.#protected;
  }

  /** The entry that is to go next, as far as can be told without moving one. */
  get next(): Evictable | null {
    return this.#probation.oldest ?? this.#protected.oldest ?? this.#window.oldest;
  }

  /** Takes out the entry that is to go now; `null` where there is none. */
  evict(): Evictable | null {
    const evicted = this.isByRecency ? this.next : this.#rejected();
    if (evicted === null) return null;
    this.#gone.note(evicted.hash, this.#usesOf(evicted.heat));
    this.remove(evicted);
    return evicted;
  }

  /** The less used of what leaves the window and what is next in the main segments. */
  #rejected(): Evictable | null {
    this.#balance();
    const next = this.#probation.oldest ?? this.#protected.oldest;
    const candidate = this.#window.oldest;
    if (next === null || candidate === null) return next ?? candidate;
    if (this.#window.bytes <= this.bytes * WINDOW_SHARE) return next;
    const uses = this.#usesOf(candidate.heat);
    const isLucky = uses >= LUCKY_USES && this.#random() < LUCKY_SHARE;
    if (uses <= this.#usesOf(next.heat) && !isLucky) return candidate;
    this.#move(candidate, this.#probation);
    return next;
  }

  /** Moves a few entries where a segment has outgrown its share; what is left to move is moved by the next evictions. */
  #balance(): void {
    for (let n = 0; n < MOVES_AT_ONCE; n++) {
      if (this.#protected.bytes > this.bytes * PROTECTED_SHARE) this.#move(this.#protected.oldest!, this.#probation);
      else if (!this.#isWindowSmall) this.#move(this.#window.oldest!, this.#probation);
      else return;
    }
  }

  /** It is not while there has been room for all, so that none had to be compared. */
  get #isWindowSmall(): boolean {
    return this.#window.bytes <= this.bytes * WINDOW_SHARE * 2;
  }

  #move(entry: Evictable, to: Segment): void {
    entry.segment!.remove(entry);
    to.add(entry);
  }

  #heat(uses: number): number {
    return this.#age << 4 | Math.min(MAX_USES, uses);
  }

  /** One at least, as for a key that is new: so what is asked for once never replaces what is held. */
  #usesOf(heat: number): number {
    return Math.max(1, (heat & MAX_USES) >> Math.min(4, (this.#age - (heat >> 4)) & AGES - 1));
  }

  #grow(): void {
    if (++this.#countedUses < HALF_LIFE * Math.max(this.#entries, 100)) return;
    this.#countedUses = 0;
    this.#age = this.#age + 1 & AGES - 1;
    this.#gone = this.#gone.halved(this.#entries);
  }
}

/** How often entries were used that are gone, roughly: two hashed counters each, of which the smaller counts (a count-min sketch). */
class GoneUses {
  readonly #counts: Uint8Array;
  /** The same counters, four at a time. */
  readonly #words: Uint32Array;

  constructor(entries: number) {
    this.#counts = new Uint8Array(sizeFor(entries));
    this.#words = new Uint32Array(this.#counts.buffer);
  }

  uses(hash: number): number {
    return Math.min(this.#counts[this.#first(hash)]!, this.#counts[this.#second(hash)]!);
  }

  note(hash: number, uses: number): void {
    for (const at of [this.#first(hash), this.#second(hash)]) {
      if (this.#counts[at]! < uses) this.#counts[at] = uses;
    }
  }

  /** Counts of half as much, with room for as many entries; where there was not enough, or far too much, it begins anew. */
  halved(entries: number): GoneUses {
    const size = sizeFor(entries);
    if (size > 2 * this.#counts.length || size * 8 < this.#counts.length) return new GoneUses(entries);
    // Tens of millions of counters where a million entries are held: one at a time this took tens of milliseconds.
    for (let at = 0; at < this.#words.length; at++) this.#words[at] = this.#words[at]! >>> 1 & 0x7f7f7f7f;
    return this;
  }

  #first(hash: number): number {
    return hash & this.#counts.length - 1;
  }

  #second(hash: number): number {
    return Math.imul(hash ^ hash >>> 16, 0x85ebca6b) >>> 7 & this.#counts.length - 1;
  }
}

/** A power of two. */
function sizeFor(entries: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(entries, 128) * COUNTERS));
}
