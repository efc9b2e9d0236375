import { DatabaseSync } from "node:sqlite";

/** What a look at a KV file found. */
export type KvFileVerdict =
  | { readonly kind: "sound" }
  /** Not what it should be; it can be replaced. */
  | { readonly kind: "damaged"; readonly problem: string }
  /** Laid out by another version of Usher, or by another program; it can be put aside. */
  | { readonly kind: "other_layout"; readonly layout: number; readonly problem: string }
  /** Another process has it. */
  | { readonly kind: "locked"; readonly problem: string }
  /** No room on the disk. */
  | { readonly kind: "full"; readonly problem: string };

const SOUND: KvFileVerdict = { kind: "sound" };
/** SQLite's result codes (its "Result and Error Codes"). */
const BUSY = 5;
const LOCKED = 6;
const FULL = 13;
/** Files up to this size are read whole; it takes a fraction of a second. */
const WHOLE_CHECK_BYTES = 128 * 1024 * 1024;
const LOCK_WAIT_MS = 2000;
/** What a file says of how it is laid out, in its `user_version`. The rows and their values count, and the size of its pages. */
const LAYOUT = 3;
/**
 * Bytes of a page. Deno KV keeps keys and values in one tree, which holds a quarter of a page of a row itself and gives the rest pages
 * of its own: with SQLite's usual 4 KiB a response of 1 KB takes 4.9 KB of the file, with these 2.2 KB.
 */
export const PAGE_BYTES = 8192;

/** Makes an empty file of this layout where there is none. @throws what SQLite throws */
export function beginKvFile(path: string): void {
  if (sizeOf(path) !== null) return;
  const database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  try {
    database.exec(`pragma page_size = ${PAGE_BYTES}; pragma user_version = ${LAYOUT}; pragma journal_mode = wal`);
  } finally {
    database.close();
  }
}

/**
 * Looks a KV file over before Deno KV opens it. Deno KV ends the whole process when its own clean-up meets a damaged page, so
 * what that clean-up touches is tried here first, where a failure can be caught: the queue's tables and the index of expiry
 * times. A damaged page elsewhere is an error of one read, later. Small files are checked whole.
 */
export function inspectKvFile(path: string): KvFileVerdict {
  const size = sizeOf(path);
  if (size === null) return SOUND;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
    const tables = database.prepare("select name from sqlite_master where type = 'table'").all();
    if (tables.length === 0) return SOUND;
    const isDenoKv = tables.some(({ name }) => name === "migration_state");
    const layout = layoutOf(database);
    if (isDenoKv && layout !== LAYOUT) {
      return {
        kind: "other_layout",
        layout,
        problem: `is laid out as version ${layout}, and this program's is ${LAYOUT}`,
      };
    }
    const problem = firstProblem(database, size <= WHOLE_CHECK_BYTES);
    return problem === null ? SOUND : { kind: "damaged", problem };
  } catch (error) {
    return verdictOf(error);
  } finally {
    database?.close();
  }
}

/** Bytes of the file; `null` where there is none. */
function sizeOf(path: string): number | null {
  try {
    return Deno.statSync(path).size;
  } catch {
    return null;
  }
}

function layoutOf(database: DatabaseSync): number {
  return Number(Object.values(database.prepare("pragma user_version").get() ?? {})[0]);
}

function firstProblem(database: DatabaseSync, whole: boolean): string | null {
  const checks = whole
    ? ["pragma quick_check(1)"]
    : ["queue", "queue_running", "data_version", "migration_state"].map((table) => `pragma quick_check('${table}')`);
  for (const check of checks) {
    const result = Object.values(database.prepare(check).get() ?? {})[0];
    if (result !== "ok") return String(result);
  }
  database.prepare("select count(*) from kv where expiration_ms >= 0").get();
  database.prepare("select k from kv order by expiration_ms desc limit 1").get();
  return null;
}

function verdictOf(error: unknown): KvFileVerdict {
  const problem = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  if (code === BUSY || code === LOCKED) return { kind: "locked", problem };
  if (code === FULL) return { kind: "full", problem };
  return { kind: "damaged", problem };
}
