import { PRIVATE_FILE } from "./kv_privacy.ts";

/** An open file whose lock ends with this process; `null` where the file system has no locks, or the file cannot be opened. */
export function lockFile(path: string): Deno.FsFile | "taken" | null {
  let lock: Deno.FsFile | undefined;
  try {
    lock = openLock(path);
    if (lock.tryLockSync(true)) return lock;
    lock.close();
    return "taken";
  } catch {
    lock?.close();
    return null;
  }
}

/** A lock file that another user has left behind can be locked through a reading descriptor. */
function openLock(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { create: true, write: true, mode: PRIVATE_FILE });
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    return Deno.openSync(path, { read: true });
  }
}
