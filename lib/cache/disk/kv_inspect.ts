import { createPrivate } from "./kv_privacy.ts";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "../../errors.ts";

/** The result of an inspection of a KV file. */
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
/** Version of the file's layout, kept in its `user_version`: of the rows, their values and the page size. */
const LAYOUT = 3;
/**
 * Bytes of a page. Deno KV keeps keys and values in one tree, which holds a quarter of a page of a row itself and gives the rest pages
 * of its own: with SQLite's usual 4 KiB a response of 1 KB takes 4.9 KB of the file, with these 2.2 KB.
 */
export const PAGE_BYTES = 8192;

/** Makes an empty file of this layout where there is none. @throws what SQLite throws */
export function beginKvFile(path: string): void {
  if (sizeOf(path) !== null) return;
  createPrivate(path);
  const database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  try {
    // So that the file can be made smaller: it costs a page in a thousand, and no time that could be measured.
    database.exec(`pragma page_size = ${PAGE_BYTES}; pragma auto_vacuum = incremental`);
    database.exec(`pragma user_version = ${LAYOUT}; pragma journal_mode = wal`);
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

/** Whether another program keeps everyone from reading a KV file. */
export function isLockedKvFile(path: string): boolean {
  if (sizeOf(path) === null) return false;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.prepare("select name from sqlite_master limit 1").all();
    return false;
  } catch (error) {
    return verdictOf(error).kind === "locked";
  } finally {
    database?.close();
  }
}

/** Suffixes of the files that a user of a KV file writes to. */
const WRITTEN = ["", "-wal", "-shm", "-journal"];

/**
 * The reason why this user cannot use a KV file: it, a file that belongs to it or its folder cannot be written, or the folder cannot be
 * made. Names the owner; `null` where there is no such reason. Nothing is changed, and SQLite is not asked: it would put files of this user beside those of the other.
 */
export function foreignKvFile(path: string): string | null {
  for (const part of WRITTEN) {
    const denied = denial(() => Deno.openSync(path + part, { read: true, write: true }).close());
    if (denied !== null) return `this user may not write ${path + part}, ${ownerOf(path + part)} (${denied})`;
  }
  const folder = nearestFolder(dirname(path));
  const denied = denial(() => Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".usher-" })));
  return denied === null ? null : `this user may not write to the folder ${folder}, ${ownerOf(folder)} (${denied})`;
}

/** The folder, or where it is not there yet that in which it is to be made. */
function nearestFolder(path: string): string {
  const above = dirname(path);
  return above === path || isThere(path) ? path : nearestFolder(above);
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** The system's message where something is not allowed; `null` for another failure, or none. */
function denial(work: () => void): string | null {
  try {
    work();
    return null;
  } catch (error) {
    const isReadOnly = error instanceof Error && /read-only file system/i.test(error.message);
    if (!isReadOnly && !(error instanceof Deno.errors.PermissionDenied)) return null;
    return /^[^:(]*/.exec(error.message)![0].trim();
  }
}

/** Owner and mode of a file, as text. */
function ownerOf(path: string): string {
  try {
    const { uid, mode } = Deno.statSync(path);
    if (uid === null || mode === null) return "which is another user's";
    const name = nameOf(uid);
    const owner = name === null ? `uid ${uid}` : `${name}, uid ${uid}`;
    return `which belongs to ${owner}, mode ${(mode & 0o7777).toString(8).padStart(4, "0")}`;
  } catch {
    // This user may not look into the folder that it is in.
    const folder = dirname(path);
    return folder === path ? "which is another user's" : `which is in ${folder}, ${ownerOf(folder)}`;
  }
}

/** A user's name; `null` where the system does not list one. */
function nameOf(uid: number): string | null {
  try {
    const line = Deno.readTextFileSync("/etc/passwd").split("\n").find((text) => text.split(":")[2] === String(uid));
    return line?.split(":")[0] ?? null;
  } catch {
    return null;
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
  const problem = messageOf(error);
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  if (code === BUSY || code === LOCKED) return { kind: "locked", problem };
  if (code === FULL) return { kind: "full", problem };
  return { kind: "damaged", problem };
}
