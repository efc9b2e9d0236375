import { dirname } from "node:path";
import { foreignKvFile, inspectKvFile } from "./kv_inspect.ts";
import {
  type KvOpenOptions,
  openKvFile,
  type PreparedKvFile,
  prepareKvFile,
  removeKvFile,
  saysLocked,
} from "./kv_open.ts";
import type { PurgeRule } from "../purge/purge_rules.ts";
import { loadPurges, savePurge } from "../purge/purge_table.ts";
import type { StoreLog } from "../store.ts";

/** The KV file that is this process's own until `release`. */
export interface ClaimedKvFile {
  readonly file: PreparedKvFile;
  /** `null` where it is the usual file. */
  readonly beside: StandInKvFile | null;
  /** Lets another process have it, once all that use it are closed. The end of the process does the same. */
  release(): void;
}

/** What is to be known of a file that stands in for the usual one. */
export interface StandInKvFile {
  /** What a file takes of the disk that nobody can use or remove just now; the stand-in has to do with the rest. */
  readonly reservedBytes: number;
}

/** Files of one directory at most: the usual one, and those that stand in for it. */
const MAX_FILES = 4;

const SILENT: StoreLog = { warn: () => {} };

type Claim =
  | { readonly kind: "claimed"; readonly file: PreparedKvFile; readonly lock: Deno.FsFile | null }
  | { readonly kind: "held"; readonly problem: string; readonly reservedBytes: number };

/**
 * Makes the KV file ready for this process alone; see {@linkcode prepareKvFile}. Where another gateway uses it, or another program
 * has locked it, it is left alone, and a new one beside it (`usher-2.kv` to `usher-4.kv`) stands in until the next start. Where it is
 * another user's it is left alone too, and memory has to do. Stand-ins whose process is gone are removed; the purges that they noted
 * go on in the file that is used now, because the usual one holds responses from before them. Never throws: what cannot be had is
 * told.
 */
export async function claimKvFile(path: string, options: KvOpenOptions): Promise<ClaimedKvFile> {
  const folder = dirname(path);
  // Asked first: Deno would ask the terminal, and wait, with the signals unheard.
  if (Deno.permissions.querySync({ name: "write", path: folder }).state !== "granted") {
    const problem = `this process was not given leave to write there: --allow-write=${folder}`;
    options.log.warn("Cannot use the disk cache: serving from memory alone", { problem });
    return { file: { path: null, problem, setAside: null }, beside: null, release: () => {} };
  }
  // Where that fails, the look at the file says why.
  await Deno.mkdir(folder, { recursive: true }).catch(() => {});
  const usual = await claim(path, options);
  const left = standIns(path).filter(exists);
  const purges = await purgesIn(left, options);
  const claimed = usual.kind === "claimed" ? { ...usual, beside: null } : await claimStandIn(path, usual, options);
  const problem = await notePurges(claimed.file.path, purges, options);
  // Without a file their purges are noted nowhere else.
  if (problem === null && claimed.file.path !== null) {
    for (const other of left) if (other !== claimed.file.path) await removeDead(other);
  }
  const { beside } = claimed;
  const file = problem === null ? claimed.file : { ...claimed.file, path: null, problem };
  let { lock } = claimed;
  const release = () => {
    lock?.close();
    lock = null;
  };
  return { file, beside, release };
}

async function claim(path: string, options: KvOpenOptions): Promise<Claim> {
  // No lock of this user's is put beside another's file: that one could not take it.
  if (foreignKvFile(path) !== null) return { kind: "claimed", file: await prepareKvFile(path, options), lock: null };
  const lock = lockOf(path);
  if (lock === "taken") return { kind: "held", problem: "another gateway uses it", reservedBytes: 0 };
  const lines: Parameters<StoreLog["warn"]>[] = [];
  const file = await prepareKvFile(path, { ...options, log: { warn: (...line) => lines.push(line) } });
  if (file.path === null && saysLocked(file.problem ?? "")) {
    lock?.close();
    return { kind: "held", problem: file.problem ?? "", reservedBytes: bytesOf(path) };
  }
  for (const line of lines) options.log.warn(...line);
  return { kind: "claimed", file, lock };
}

async function claimStandIn(
  path: string,
  usual: Extract<Claim, { kind: "held" }>,
  options: KvOpenOptions,
): Promise<{ file: PreparedKvFile; lock: Deno.FsFile | null; beside: StandInKvFile | null }> {
  const { problem, reservedBytes } = usual;
  // What a run before left behind holds purges: it goes only after they are noted elsewhere, if there is another name.
  const names = standIns(path).sort((a, b) => Number(exists(a)) - Number(exists(b)));
  for (const name of names) {
    if (exists(name) && !await removeDead(name)) continue;
    const claimed = await claim(name, options);
    if (claimed.kind === "held") continue;
    const { lock, file } = claimed;
    if (file.path !== null) {
      options.log.warn("The disk cache is not to be had: a new one beside it is used until the next start", {
        problem,
        path: name,
      });
    }
    return { lock, file: { ...file, problem: file.problem ?? problem }, beside: { reservedBytes } };
  }
  options.log.warn("Cannot use the disk cache: serving from memory alone", { problem });
  return { lock: null, file: { path: null, problem, setAside: null }, beside: null };
}

/** An open file whose lock ends with this process; `null` where the file system knows no locks. */
function lockOf(path: string): Deno.FsFile | "taken" | null {
  let lock: Deno.FsFile | undefined;
  try {
    lock = openLock(`${path}.lock`);
    if (lock.tryLockSync(true)) return lock;
    lock.close();
    return "taken";
  } catch {
    lock?.close();
    return null;
  }
}

/** One that another user has left behind can be locked all the same. */
function openLock(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { create: true, write: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    return Deno.openSync(path, { read: true });
  }
}

/** `usher.kv` → `usher-2.kv` … */
function standIns(path: string): string[] {
  return Array.from({ length: MAX_FILES - 1 }, (_, index) => path.replace(/(\.[^./]*)?$/, `-${index + 2}$1`));
}

/** Purges that were made while other files were in use; a file that cannot be read has none to tell. */
async function purgesIn(paths: readonly string[], options: KvOpenOptions): Promise<PurgeRule[]> {
  const rules: PurgeRule[] = [];
  for (const path of paths) {
    if (foreignKvFile(path) !== null || inspectKvFile(path).kind !== "sound") continue;
    const kv = await openKvFile(path, { ...options, log: SILENT });
    if (kv === null) continue;
    rules.push(...await loadPurges(kv).catch(() => []));
    kv.close();
  }
  return rules;
}

/** Answers what failed: then the file may hold what was purged, and must not be used. */
async function notePurges(path: string | null, rules: PurgeRule[], options: KvOpenOptions): Promise<string | null> {
  if (path === null || rules.length === 0) return null;
  const kv = await openKvFile(path, options);
  if (kv === null) return "cannot be opened again";
  try {
    for (const rule of rules) await savePurge(kv, rule);
    return null;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    options.log.warn("Cannot note purges in the disk cache: serving from memory alone", { problem });
    return problem;
  } finally {
    kv.close();
  }
}

/** Removes a stand-in whose process is gone; answers whether it is. */
async function removeDead(path: string): Promise<boolean> {
  if (foreignKvFile(path) !== null) return false;
  const lock = lockOf(path);
  if (lock === "taken" || lock === null) return false;
  try {
    if (inspectKvFile(path).kind === "locked") return false;
    await removeKvFile(path);
    return true;
  } catch {
    return false;
  } finally {
    lock.close();
  }
}

function exists(path: string): boolean {
  try {
    return Deno.lstatSync(path) !== null;
  } catch {
    return false;
  }
}

/** Of the file and its log. */
function bytesOf(path: string): number {
  let bytes = 0;
  for (const part of [path, `${path}-wal`]) if (exists(part)) bytes += Deno.statSync(part).size;
  return bytes;
}
