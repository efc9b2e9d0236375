import { dirname } from "node:path";
import { pause } from "../../clock.ts";
import { adoptPurges, standInFiles } from "./_stand_in_purges.ts";
import { lockFile } from "./file_lock.ts";
import { foreignKvFile, inspectKvFile, isLockedKvFile } from "./kv_inspect.ts";
import { makePrivate, PRIVATE_FOLDER } from "./kv_privacy.ts";
import { attempt, type KvOpenOptions, openKvFile, type PreparedKvFile, prepareKvFile, unusable } from "./kv_open.ts";

/** How often a file is looked at that another process has. */
const LOOK_EVERY_MS = 200;

/** The KV file that this process alone stores responses in, until `release`. */
export interface ClaimedKvFile {
  readonly file: PreparedKvFile;
  /**
   * File that purges are written to: the claimed one, or that of another gateway, because this process may get that file later, with
   * responses from before the purges. `null` where there is none.
   */
  readonly purgePath: string | null;
  /** Another process has the file, and may let go of it; see {@linkcode awaitKvFile}. */
  readonly isAwaited: boolean;
  /** Lets another process claim the file, once all that use it are closed. The end of the process does the same. */
  release(): void;
}

/**
 * Locks the KV file for this process and makes it ready; see {@linkcode prepareKvFile}. Where another gateway or another program has it,
 * it is left alone and memory alone serves until it is free. Never throws: the problem is logged and returned.
 */
export async function claimKvFile(path: string, options: KvOpenOptions): Promise<ClaimedKvFile> {
  const folder = dirname(path);
  const unclaimed = (problem: string, purgePath: string | null, isAwaited = false): ClaimedKvFile => (
    { file: unusable(problem, options.log), purgePath, isAwaited, release: () => {} }
  );
  // Asked first: Deno would ask the terminal, and wait, with the signals unheard.
  if (Deno.permissions.querySync({ name: "write", path: folder }).state !== "granted") {
    return unclaimed(`this process was not given leave to write there: --allow-write=${folder}`, null);
  }
  // Where that fails, the look at the file says why.
  await Deno.mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER }).catch(() => {});
  // No lock file is put beside another user's file: that user could not lock it.
  const lock = foreignKvFile(path) === null ? lockFile(`${path}.lock`) : null;
  if (lock === "taken") {
    const purgePath = inspectKvFile(path).kind === "sound" ? path : null;
    return unclaimed(
      `another gateway uses ${path}: each needs a server.data_dir that no other one has`,
      purgePath,
      true,
    );
  }
  let held = lock;
  const release = () => {
    held?.close();
    held = null;
  };
  const file = await prepareKvFile(path, options);
  if (file.path !== null) makePrivate(file.path, options.log);
  if (file.path !== null) { for (const other of standInFiles(path)) await adopt(other, path, options); }
  if (file.path === null) release();
  return {
    file,
    purgePath: file.path,
    isAwaited: file.path === null && lock !== null && isLockedKvFile(path),
    release,
  };
}

/** Claims a file that another process has as soon as that lets go of it; `null` when the signal aborts. Never throws. */
export async function awaitKvFile(
  path: string,
  options: KvOpenOptions,
  signal: AbortSignal,
): Promise<ClaimedKvFile | null> {
  while (!signal.aborted) {
    if (isFree(path)) {
      const claimed = await claimKvFile(path, options);
      if (!claimed.isAwaited) return claimed;
    }
    await pause(LOOK_EVERY_MS, signal);
  }
  return null;
}

/** As far as can be told without taking it. */
function isFree(path: string): boolean {
  const lock = lockFile(`${path}.lock`);
  if (lock === "taken") return false;
  lock?.close();
  return !isLockedKvFile(path);
}

/** One that a running gateway of an earlier version has, or that cannot be read, is left for the next start. */
async function adopt(from: string, to: string, options: KvOpenOptions): Promise<void> {
  const lock = foreignKvFile(from) === null && inspectKvFile(from).kind === "sound" ? lockFile(`${from}.lock`) : null;
  if (lock === null || lock === "taken") return;
  const problem = await attempt(() =>
    adoptPurges(from, to, async (path) => {
      const kv = await openKvFile(path, options);
      if (kv === null) throw new Error(`cannot open ${path}`);
      return kv;
    })
  );
  lock.close();
  if (problem === null) return;
  options.log.warn("Cannot take over the purges that an earlier version saved beside the disk cache", {
    from,
    problem,
  });
}
