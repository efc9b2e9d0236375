/** Where FNV-1a begins, and the seed of {@linkcode fnv1a} where none is given. */
export const FNV_SEED = 0x811c9dc5;

/**
 * FNV-1a over a text's UTF-16 units, 32 bits. Its low bits are its weak ones: {@linkcode hash32} mixes them. Fast and the same in every
 * process, not safe against who wants collisions.
 *
 * @param seed the hash of what stands before the text, or a secret
 * @param end where in the text to stop
 */
export function fnv1a(text: string, seed: number = FNV_SEED, end: number = text.length): number {
  let hash = seed;
  for (let index = 0; index < end; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** Spreads 32 bits so that every bit of the answer depends on every bit of `value` (the finalizer of MurmurHash3). */
export function mix32(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** An even hash of a text, 32 bits: {@linkcode fnv1a}, then {@linkcode mix32}. */
export function hash32(text: string, seed?: number): number {
  return mix32(fnv1a(text, seed));
}
