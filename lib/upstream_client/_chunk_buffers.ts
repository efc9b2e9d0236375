/** The most that one read takes from a socket, or one write gives to it. */
export const CHUNK_BYTES = 64 * 1024;

/** Kept for the next body; under more bodies at a time further ones are made. */
const MAX_KEPT = 64;

const kept: Uint8Array<ArrayBuffer>[] = [];

/** Memory of {@linkcode CHUNK_BYTES} for a body under way. */
export function takeChunkBuffer(): Uint8Array<ArrayBuffer> {
  return kept.pop() ?? new Uint8Array(CHUNK_BYTES);
}

/** Gives it back. No operation may be under way on it, and nobody look at it any more; else it is left to the garbage. */
export function giveChunkBuffer(buffer: Uint8Array<ArrayBuffer>): void {
  if (kept.length < MAX_KEPT) kept.push(buffer);
}
