/** A repeatable `Math.random` (mulberry32), so that a test of chance fails always or never. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An integer in [0, below). */
export function integer(random: () => number, below: number): number {
  return Math.floor(random() * below);
}

/** `bytes` cut at random places into some hundred pieces at most. */
export function randomPieces(random: () => number, bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const longest = 1 + Math.floor(bytes.length / 100) + integer(random, 2 ** integer(random, 12));
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + integer(random, longest));
    pieces.push(bytes.slice(at, end));
    at = end;
  }
  return pieces;
}
