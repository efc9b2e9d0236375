/** Largest block that is made before there are bytes for it. */
const MAX_AHEAD_BYTES = 1024 * 1024;

/**
 * Collects bytes of which nobody knows how many will come. They are copied into blocks as long as what is there already, up to 1 MiB: a
 * list of the chunks themselves would leave the allocator with as many holes of 64 KiB, which it keeps.
 */
export class ByteBlocks {
  readonly #full: Uint8Array<ArrayBuffer>[] = [];
  #last: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #lastBytes = 0;
  #bytes = 0;

  /** Bytes that were added. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Copies a chunk. */
  add(chunk: Uint8Array): void {
    const fits = Math.min(chunk.byteLength, this.#last.byteLength - this.#lastBytes);
    this.#put(chunk.subarray(0, fits));
    if (fits === chunk.byteLength) return;
    if (this.#lastBytes > 0) this.#full.push(this.#last);
    this.#last = new Uint8Array(Math.max(chunk.byteLength - fits, Math.min(this.#bytes, MAX_AHEAD_BYTES)));
    this.#lastBytes = 0;
    this.#put(chunk.subarray(fits));
  }

  /** What was added, in order, in parts that are not copied. */
  parts(): readonly Uint8Array<ArrayBuffer>[] {
    return [...this.#full, this.#last.subarray(0, this.#lastBytes)];
  }

  /** What was added, in an array of its own. */
  whole(): Uint8Array<ArrayBuffer> {
    const isExact = this.#full.length === 0 && this.#lastBytes === this.#last.byteLength;
    return isExact ? this.#last : concat(this.parts(), this.#bytes);
  }

  #put(bytes: Uint8Array): void {
    this.#last.set(bytes, this.#lastBytes);
    this.#lastBytes += bytes.byteLength;
    this.#bytes += bytes.byteLength;
  }
}

/** One array of all chunks. */
export function concat(chunks: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
