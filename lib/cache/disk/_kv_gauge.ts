import { DatabaseSync } from "node:sqlite";

/** What a KV file takes on disk. */
export interface KvFileSize {
  /** The file and its write-ahead log. */
  readonly fileBytes: number;
  /** Pages in use: the file never shrinks, but what is not in use is filled again. */
  readonly liveBytes: number;
  readonly walBytes: number;
}

/**
 * Measures a KV file that is in use. It asks SQLite: opening the file by other means and closing it would let go of the locks
 * that this process holds on it.
 */
export class KvGauge {
  readonly #path: string;
  #database: DatabaseSync | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The file's size now. @throws what SQLite throws */
  measure(): KvFileSize {
    const pageBytes = this.#pragma("page_size");
    const pages = this.#pragma("page_count");
    const walBytes = this.logBytes;
    return {
      fileBytes: Math.max(sizeOf(this.#path), pages * pageBytes) + walBytes,
      liveBytes: (pages - this.#pragma("freelist_count")) * pageBytes,
      walBytes,
    };
  }

  /** Bytes of the write-ahead log. */
  get logBytes(): number {
    return sizeOf(`${this.#path}-wal`);
  }

  /** Writes the log back into the file and empties it, unless someone is reading from it. @throws what SQLite throws */
  emptyLog(): void {
    this.#open().prepare("pragma wal_checkpoint(TRUNCATE)").get();
  }

  /** Lets go of the file. */
  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  #pragma(name: string): number {
    return Number(Object.values(this.#open().prepare(`pragma ${name}`).get() ?? {})[0]);
  }

  #open(): DatabaseSync {
    return this.#database ??= new DatabaseSync(this.#path, { timeout: 0 });
  }
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
