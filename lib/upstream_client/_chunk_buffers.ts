/** Largest read from a socket, or write to it. */
export const CHUNK_BYTES = 64 * 1024;

/** Most buffers that are kept for later bodies. */
const MAX_KEPT = 64;

const kept: Uint8Array<ArrayBuffer>[] = [];

/** Takes a buffer of {@linkcode CHUNK_BYTES}. */
export function takeChunkBuffer(): Uint8Array<ArrayBuffer> {
  return kept.pop() ?? new Uint8Array(CHUNK_BYTES);
}

/** Gives a buffer back. No pending operation and no view may use it any more. */
export function giveChunkBuffer(buffer: Uint8Array<ArrayBuffer>): void {
  if (kept.length < MAX_KEPT) kept.push(buffer);
}
