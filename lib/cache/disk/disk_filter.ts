import { digestOfKey } from "./_kv_rows.ts";

/**
 * The memory: a header, and two halves of the same size, each a split-block Bloom filter. A key names one block, and in each of the
 * block's eight words one bit; a block lies in one cache line. One half serves; the other is refilled when the first holds too
 * much that is gone. Marks go into both.
 */
const BLOCK_WORDS = 8;
const BLOCK_BITS = BLOCK_WORDS * 32;
/** Words of the header: the state, how many keys each half holds, how often one was cleared, and a count for each writer, odd in a write. */
const STATE = 0;
const HELD = 1;
const CLEARED = 3;
const WRITERS = 16;
const HEADER_WORDS = 1024;

/** Size of the entries that a half is sized for: about the smallest ones. */
const SMALL_ENTRY_BYTES = 2048;
const BITS_AN_ENTRY = 12;
const MIN_HALF_BYTES = 512 * 1024;
const MAX_HALF_BYTES = 32 * 1024 * 1024;
/** Bytes cleared in one go: less than a millisecond. */
const CLEARED_AT_ONCE_WORDS = 256 * 1024;
/** Writes of a worker that has died are committed or given up within this time. */
const ORPHAN_MS = 10_000;

/**
 * Memory of a filter for a disk tier of `limitBytes`, to be handed to every worker: twelve bits a half for each entry of 2 KiB, from 1
 * to 64 MiB in all. It begins with "maybe" for every key.
 */
export function newDiskFilterMemory(limitBytes: number): SharedArrayBuffer {
  const wantedBytes = limitBytes / SMALL_ENTRY_BYTES * BITS_AN_ENTRY / 8;
  const halfBytes = Math.min(MAX_HALF_BYTES, Math.max(MIN_HALF_BYTES, wantedBytes));
  const words = Math.ceil(halfBytes * 8 / BLOCK_BITS) * BLOCK_WORDS;
  return new SharedArrayBuffer((HEADER_WORDS + words * 2) * Int32Array.BYTES_PER_ELEMENT);
}

/** The operations on the words that filter and builder share. */
class FilterWords {
  readonly words: Int32Array;
  readonly blocks: number;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.blocks = (this.words.length - HEADER_WORDS) / 2 / BLOCK_WORDS;
  }

  /** Which half serves: 0 or 1; -1 where none does. */
  get serving(): number {
    return servingIn(Atomics.load(this.words, STATE));
  }

  /** `digest` is that of the key, in hexadecimal. */
  set(half: number, digest: string): void {
    const { words } = this;
    const at = this.#blockAt(half, digest);
    let isNew = false;
    for (let word = 0; word < BLOCK_WORDS; word++) {
      const mask = maskOf(digest, word);
      if ((Atomics.load(words, at + word) & mask) !== 0) continue;
      Atomics.or(words, at + word, mask);
      isNew = true;
    }
    if (isNew) Atomics.add(words, HELD + half, 1);
  }

  has(half: number, digest: string): boolean {
    const at = this.#blockAt(half, digest);
    for (let word = 0; word < BLOCK_WORDS; word++) {
      if ((Atomics.load(this.words, at + word) & maskOf(digest, word)) === 0) return false;
    }
    return true;
  }

  #blockAt(half: number, digest: string): number {
    let chosen = 0;
    for (let digit = 0; digit < 8; digit++) chosen = chosen * 16 + digitAt(digest, digit);
    return HEADER_WORDS + (half * this.blocks + Math.floor(chosen * this.blocks / 2 ** 32)) * BLOCK_WORDS;
  }
}

function servingIn(state: number): number {
  return (state & 3) - 1;
}

/** Five bits of the digest, behind those that name the block, say which bit of a word is the key's. */
function maskOf(digest: string, word: number): number {
  const at = 8 + word * 2;
  return 1 << ((digitAt(digest, at) & 1) << 4 | digitAt(digest, at + 1));
}

function digitAt(digest: string, at: number): number {
  const code = digest.charCodeAt(at);
  return (code & 15) + (code >> 6) * 9;
}

/**
 * Which keys the disk may hold, in memory that all workers share. A "no" is certain: a worker marks a key before it commits it. A
 * "maybe" may be wrong: for 6 keys in 1,000 at most where the disk is full of entries of 2 KiB, and for 10 in 1,000 more before
 * what was removed leads to a new filter; see {@linkcode falseRate}. Removals take nothing back.
 *
 * Only this process writes entries to the file (see `claimKvFile`), and the memory is new at each start.
 */
export class DiskFilter {
  readonly #filter: FilterWords;
  readonly #writer: number;
  #writes = 0;
  /** Of this writer, as it left it last. */
  #count = 0;

  /**
   * `self` is this worker's index. `orphanMs` is how long the writes of a dead worker of the same index may still be committed.
   *
   * @throws {RangeError} where there is no room for the worker's count
   */
  constructor(memory: SharedArrayBuffer, self: number, orphanMs = ORPHAN_MS) {
    if (!Number.isInteger(self) || self < 0 || self >= HEADER_WORDS - WRITERS) {
      throw new RangeError(
        `Cannot use worker index ${self}: it must be a whole number below ${HEADER_WORDS - WRITERS}`,
      );
    }
    this.#filter = new FilterWords(memory);
    this.#writer = WRITERS + self;
    this.#count = Atomics.load(this.#filter.words, this.#writer);
    if (this.#count % 2 !== 0) this.#endLater(orphanMs);
  }

  /** Whether the disk may hold the key. */
  mayHold(key: string): boolean {
    return this.mayHoldDigest(digestOfKey(key));
  }

  /** The same by the key's digest. */
  mayHoldDigest(digest: string): boolean {
    const { words } = this.#filter;
    const state = Atomics.load(words, STATE);
    const serving = servingIn(state);
    if (serving < 0 || this.#filter.has(serving, digest)) return true;
    // Meanwhile the other half may have begun to serve, and this one been cleared.
    return Atomics.load(words, STATE) !== state;
  }

  /** Marks keys, by their digests, before any of their write is committed; `endWrite` says when all of it is, or never will be. */
  beginWrite(digests: readonly string[]): void {
    const { words } = this.#filter;
    if (this.#writes++ === 0) Atomics.store(words, this.#writer, ++this.#count);
    // Where this is from before a clearing, that one's builder sees this write under way and waits for its end. Else what is marked
    // below comes after the clearing.
    Atomics.load(words, CLEARED);
    for (const digest of digests) {
      this.#filter.set(0, digest);
      this.#filter.set(1, digest);
    }
  }

  /** Ends what `beginWrite` began. */
  endWrite(): void {
    if (--this.#writes === 0) Atomics.store(this.#filter.words, this.#writer, ++this.#count);
  }

  /** The worker before this one died in a write, and Deno KV may go on with it. */
  #endLater(orphanMs: number): void {
    this.#writes = 1;
    Deno.unrefTimer(setTimeout(() => this.endWrite(), orphanMs));
  }
}

/**
 * Fills the half that does not serve with all that the disk holds, and has it serve: `begin`, `clear` until it is done, wait until
 * `isSettled`, `add` every key that is committed then, `serve`. What is written meanwhile is marked by its writers. There is one builder
 * for a memory; the one before it, in a worker that is ending, can do no more harm than to have the build begin again.
 */
export class DiskFilterBuilder {
  readonly #filter: FilterWords;
  /** As `begin` left it. */
  #state = 0;
  #spare = 0;
  #clearFrom = 0;
  /** Writers that were at it when the half was clear, with their counts; `null` before that. */
  #awaited: { readonly writer: number; readonly count: number }[] | null = null;

  constructor(memory: SharedArrayBuffer) {
    this.#filter = new FilterWords(memory);
  }

  /** Whether a half serves. */
  get isServing(): boolean {
    return this.#filter.serving >= 0;
  }

  /** Whether a build was ever begun. */
  get hasBegun(): boolean {
    return Atomics.load(this.#filter.words, STATE) !== 0;
  }

  /** Part of the keys not on disk that are taken for "maybe" now. */
  get falseRateNow(): number {
    const { words, serving } = this.#filter;
    return serving < 0 ? 1 : this.falseRate(Atomics.load(words, HELD + serving));
  }

  /** Part of the keys not on disk that a half with so many keys takes for "maybe". */
  falseRate(keys: number): number {
    // Keys of a block are spread by Poisson, and (1 - q^keys)^8 of them meet all of a key's bits: the binomial theorem gives the mean.
    const keysABlock = keys / this.#filter.blocks;
    const missed = 1 - 1 / 32;
    let rate = 0;
    let ways = 1;
    for (let words = 0; words <= BLOCK_WORDS; words++) {
      rate += (words % 2 === 0 ? ways : -ways) * Math.exp(-keysABlock * (1 - missed ** words));
      ways = ways * (BLOCK_WORDS - words) / (words + 1);
    }
    return Math.min(1, Math.max(0, rate));
  }

  /** Begins a build; one that was under way is given up. */
  begin(): void {
    const { words } = this.#filter;
    const isFirst = !this.hasBegun;
    let before: number;
    do {
      before = Atomics.load(words, STATE);
      this.#state = before + 4 | 0;
    } while (Atomics.compareExchange(words, STATE, before, this.#state) !== before);
    this.#spare = servingIn(before) === 0 ? 1 : 0;
    // Fresh memory is clear: not to touch it leaves it to the system.
    this.#clearFrom = isFirst ? this.#halfWords : 0;
    this.#awaited = null;
  }

  /** Clears some more of the half; returns whether more is left. */
  clear(): boolean {
    const { words } = this.#filter;
    if (this.#clearFrom === 0) Atomics.store(words, HELD + this.#spare, 0);
    const from = HEADER_WORDS + this.#spare * this.#halfWords;
    const to = Math.min(this.#halfWords, this.#clearFrom + CLEARED_AT_ONCE_WORDS);
    words.fill(0, from + this.#clearFrom, from + to);
    this.#clearFrom = to;
    return to < this.#halfWords;
  }

  /** Whether every write that began before the half was clear has ended: the marks of those may be lost. */
  isSettled(): boolean {
    const { words } = this.#filter;
    if (this.#awaited === null) {
      Atomics.add(words, CLEARED, 1);
      this.#awaited = [];
      for (let writer = WRITERS; writer < HEADER_WORDS; writer++) {
        const count = Atomics.load(words, writer);
        if (count % 2 !== 0) this.#awaited.push({ writer, count });
      }
    }
    this.#awaited = this.#awaited.filter(({ writer, count }) => Atomics.load(words, writer) === count);
    return this.#awaited.length === 0;
  }

  /** Adds a key that is on disk, by its hash: what `hashOfKey` says. */
  add(hash: Uint8Array): void {
    this.#filter.set(this.#spare, hash.toHex());
  }

  /** Has the half serve; `false` where another build was begun since. */
  serve(): boolean {
    const next = (this.#state + 4 & ~3) | (this.#spare + 1);
    return Atomics.compareExchange(this.#filter.words, STATE, this.#state, next) === this.#state;
  }

  get #halfWords(): number {
    return this.#filter.blocks * BLOCK_WORDS;
  }
}
