import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { decodeTransit, decodeUse, SumChanges } from "./_kv_rows.ts";

/** Sizes of a KV file. */
export interface KvFileSize {
  /** The file and its write-ahead log. */
  readonly fileBytes: number;
  /** Pages in use: the file never shrinks, but what is not in use is filled again. */
  readonly liveBytes: number;
  readonly walBytes: number;
}

/**
 * Measures a KV file that is in use. It asks SQLite: opening and closing the file by other means would release the locks
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

  /** Closes the file. */
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

/** Rows counted in one go; then others get their turn. */
const ROWS_AT_ONCE = 500;
const STRING = 0x02;
const END = 0x00;
const ESCAPED = 0xff;

/**
 * The errors of the tier's sums, all read from one snapshot of the file. They can only be off after Deno KV failed in the
 * middle of a commit: it may keep the part that it had written (a full disk does that).
 *
 * @throws {Error} what SQLite throws
 */
export async function recount(path: string): Promise<SumChanges> {
  const database = new DatabaseSync(path, { timeout: 1000 });
  try {
    database.exec("begin");
    const off = new SumChanges();
    await countUses(database, off);
    countTransits(database, off);
    subtractSums(database, off);
    return off;
  } finally {
    database.close();
  }
}

async function countUses(database: DatabaseSync, off: SumChanges): Promise<void> {
  let counted = 0;
  for (const { k, v } of rows(database, "x")) {
    const use = decodeUse(v);
    if (use !== null) off.add(stringAt(k, 3), use.costBytes, 1);
    if (++counted % ROWS_AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

function countTransits(database: DatabaseSync, off: SumChanges): void {
  for (const { v } of rows(database, "w")) {
    const transit = decodeTransit(v);
    if (transit !== null) off.add(transit.listener, transit.countedBytes, 0);
  }
}

function subtractSums(database: DatabaseSync, off: SumChanges): void {
  let bytes = 0;
  for (const { k, v } of rows(database, "l")) {
    bytes += sumIn(v);
    off.add(stringAt(k, 3), -sumIn(v), 0);
  }
  for (const { k, v } of rows(database, "n")) {
    const name = stringAt(k, 3);
    if (name === "bytes") off.correct(bytes - sumIn(v), 0);
    if (name === "entries") off.correct(0, -sumIn(v));
  }
}

interface RawRow {
  readonly k: Uint8Array;
  readonly v: Uint8Array;
}

/** The rows whose key begins with a one-letter string, as Deno KV lays them down. */
function* rows(database: DatabaseSync, letter: string): Generator<RawRow> {
  const from = [STRING, letter.charCodeAt(0), END];
  const bounds: SQLInputValue[] = [new Uint8Array(from), new Uint8Array([...from, 0xff])];
  for (const { k, v } of database.prepare("select k, v from kv where k >= ? and k < ?").iterate(...bounds)) {
    if (k instanceof Uint8Array && v instanceof Uint8Array) yield { k, v };
  }
}

/** The string of a key that begins at `at`: a zero ends it, unless 0xff follows, when it is a zero of the string. */
function stringAt(key: Uint8Array, at: number): string {
  const bytes: number[] = [];
  for (let next = at + 1; next < key.length; next++) {
    if (key[next] === END) {
      if (key[next + 1] !== ESCAPED) break;
      bytes.push(key[next++]!);
    } else {
      bytes.push(key[next]!);
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

function sumIn(value: Uint8Array): number {
  if (value.byteLength !== 8) return 0;
  return Number(BigInt.asIntN(64, new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0, true)));
}
