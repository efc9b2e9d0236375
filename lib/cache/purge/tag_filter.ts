/** A power of two; a million of different tags set one bit in eight. */
const BITS = 1 << 23;
const BITS_A_WORD = 32;

/** Bytes of shared memory that a tag filter takes. */
export const TAG_FILTER_BYTES = BITS / 8;

/**
 * Which purge tags may be stored anywhere, in memory that all workers and the supervisor share: one bit for each hash of a tag, set when
 * a response is stored and never taken back. So a `no` is certain, and a `yes` says only that a purge may find something.
 */
export class TagFilter {
  readonly #words: Int32Array;

  /** `byteOffset` is where in `memory` the filter lies; a multiple of 4. */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#words = new Int32Array(memory, byteOffset, BITS / BITS_A_WORD);
  }

  /** Notes the tags of what is stored. */
  add(tags: readonly string[]): void {
    for (const tag of tags) {
      const bit = bitOf(tag);
      const mask = 1 << (bit & (BITS_A_WORD - 1));
      if ((this.#words[bit >>> 5]! & mask) === 0) Atomics.or(this.#words, bit >>> 5, mask);
    }
  }

  /** Whether something with this tag may be stored. */
  mayHold(tag: string): boolean {
    const bit = bitOf(tag);
    return (Atomics.load(this.#words, bit >>> 5) & (1 << (bit & (BITS_A_WORD - 1)))) !== 0;
  }
}

function bitOf(tag: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < tag.length; index++) hash = Math.imul(hash ^ tag.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) & (BITS - 1);
}
