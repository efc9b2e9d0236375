import { Buffer } from "node:buffer";

/**
 * A piece of memory, in the two views that are needed: views of a `Buffer` cost more than those of a `Uint8Array`. It is not cleared:
 * whoever takes it writes before it reads.
 */
export class Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly buffer: Buffer<ArrayBuffer>;
  readonly #pool: MemoryPool | null;

  constructor(sizeBytes: number, pool: MemoryPool | null = null) {
    const memory = new ArrayBuffer(sizeBytes);
    this.buffer = Buffer.from(memory);
    // What is one of thousands is kept small instead.
    this.bytes = pool === null ? this.buffer : new Uint8Array(memory);
    this.#pool = pool;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  /**
   * Gives it back to its pool, if it has one. Only after every read and write with it has settled: the runtime uses memory later than
   * the call.
   */
  release(): void {
    this.#pool?.give(this);
  }
}

/** Memory of one size, used again; the piece that was used last comes first, for the sake of the processor's caches. */
class MemoryPool {
  readonly sizeBytes: number;
  readonly #maxKept: number;
  readonly #free: Memory[] = [];

  constructor(sizeBytes: number, maxKept: number) {
    this.sizeBytes = sizeBytes;
    this.#maxKept = maxKept;
  }

  take(): Memory {
    return this.#free.pop() ?? new Memory(this.sizeBytes, this);
  }

  give(memory: Memory): void {
    if (this.#free.length < this.#maxKept) this.#free.push(memory);
  }
}

/** Room for a chunk of 64 KiB with its framing. */
const LARGEST_BYTES = 64 * 1024 + 64;

/** Of memory that nobody uses at most 6 MiB are kept. */
const POOLS: readonly MemoryPool[] = [
  new MemoryPool(4 * 1024, 256),
  new MemoryPool(16 * 1024, 64),
  new MemoryPool(33 * 1024, 64),
  new MemoryPool(LARGEST_BYTES, 32),
];

/** Memory of at least so many bytes; beyond the largest pooled size it is made for the purpose. */
export function takeMemory(leastBytes: number): Memory {
  for (const pool of POOLS) {
    if (pool.sizeBytes >= leastBytes) return pool.take();
  }
  return new Memory(leastBytes);
}

/** Memory to copy content through: a chunk of 64 KiB fits with its framing. */
export function takeLargeMemory(): Memory {
  return takeMemory(LARGEST_BYTES);
}
