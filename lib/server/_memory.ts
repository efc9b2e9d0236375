import { Buffer } from "node:buffer";

/**
 * A buffer, as `Uint8Array` and as `Buffer`: subarrays of a `Buffer` cost more. It is not cleared: its user must write before it
 * reads.
 */
export class Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly buffer: Buffer<ArrayBuffer>;
  readonly #pool: MemoryPool | null;

  constructor(sizeBytes: number, pool: MemoryPool | null = null) {
    const memory = new ArrayBuffer(sizeBytes);
    this.buffer = Buffer.from(memory);
    // Unpooled ones are small and many: they share one view.
    this.bytes = pool === null ? this.buffer : new Uint8Array(memory);
    this.#pool = pool;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  /**
   * Returns it to its pool, if it has one. Call it after all reads and writes with it have settled: the runtime uses memory after the
   * call.
   */
  release(): void {
    this.#pool?.give(this);
  }
}

/** Reuses buffers of one size, the last one first, for the processor's caches. */
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

/** Fits a chunk of 64 KiB with its framing. */
const LARGEST_BYTES = 64 * 1024 + 64;

/** At most 6 MiB of unused memory in all. */
const POOLS: readonly MemoryPool[] = [
  new MemoryPool(4 * 1024, 256),
  new MemoryPool(16 * 1024, 64),
  new MemoryPool(33 * 1024, 64),
  new MemoryPool(LARGEST_BYTES, 32),
];

/** A buffer of at least `leastBytes`; above the largest pooled size it is a new one. */
export function takeMemory(leastBytes: number): Memory {
  for (const pool of POOLS) {
    if (pool.sizeBytes >= leastBytes) return pool.take();
  }
  return new Memory(leastBytes);
}

/** A buffer to copy content through: it fits a chunk of 64 KiB with its framing. */
export function takeLargeMemory(): Memory {
  return takeMemory(LARGEST_BYTES);
}
