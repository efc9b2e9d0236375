import { Buffer } from "node:buffer";

/** A piece of memory in the two views that are needed: views of a `Buffer` cost more than those of a `Uint8Array`. */
export interface Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly buffer: Buffer;
}

/** Memory that nobody shares. */
export function allocate(sizeBytes: number): Memory {
  const bytes = new Uint8Array(sizeBytes);
  return { bytes, buffer: Buffer.from(bytes.buffer) };
}

/**
 * Memory of one size, used again. Memory is given back only after every read and write with it has settled: the runtime uses it later
 * than the call. It is not cleared: whoever takes it writes before it reads.
 */
export class BufferPool {
  readonly sizeBytes: number;
  readonly #maxKept: number;
  readonly #free: Memory[] = [];

  /** Keeps at most `maxKept` pieces that nobody uses. */
  constructor(sizeBytes: number, maxKept: number) {
    this.sizeBytes = sizeBytes;
    this.#maxKept = maxKept;
  }

  take(): Memory {
    return this.#free.pop() ?? allocate(this.sizeBytes);
  }

  give(memory: Memory): void {
    if (this.#free.length < this.#maxKept) this.#free.push(memory);
  }
}
