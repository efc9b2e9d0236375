import { basename, dirname } from "node:path";
import type { StoreLog } from "../store.ts";

/** Permission bits of a file that only this user may use. */
export const PRIVATE_FILE = 0o600;

/** The same of a folder. */
export const PRIVATE_FOLDER = 0o700;

const OTHERS = 0o077;

/** The KV files that an earlier version made for second gateways. */
const STAND_IN = /^usher-\d+\.kv/;

/** What a gateway keeps in its folder beside the files of the KV file, which begin with that one's name. */
const OWN_NAMES = /^(?:acme|gateway-[0-9a-f]{16}\.json.*|\.usher-.*)$/;

/**
 * Takes away what others may do with a KV file, all that belongs to it, and its folder: closed listeners' responses are in there. A
 * folder in which other things lie too is left as it is. Never throws.
 */
export function makePrivate(path: string, log: StoreLog): void {
  const folder = dirname(path);
  const mended: string[] = [];
  let isOurs = true;
  for (const name of namesIn(folder)) {
    if (!name.startsWith(basename(path)) && !STAND_IN.test(name)) isOurs &&= OWN_NAMES.test(name);
    else if (tighten(`${folder}/${name}`, PRIVATE_FILE)) mended.push(name);
  }
  if (isOurs) tighten(folder, PRIVATE_FOLDER);
  if (mended.length === 0) return;
  log.warn("Other users could read the files of the disk cache: not any more", { folder, files: mended.join(" ") });
}

/** Makes the file, if it is not there, before another hand does so with more rights. What belongs to it gets the same ones. */
export function createPrivate(path: string): void {
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: PRIVATE_FILE }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Whether there was something to take away, and it could be. */
function tighten(path: string, mode: number): boolean {
  try {
    const found = Deno.lstatSync(path);
    if (found.isSymlink || found.mode === null || (found.mode & OTHERS) === 0) return false;
    Deno.chmodSync(path, found.isDirectory ? PRIVATE_FOLDER : mode);
    return true;
  } catch {
    return false;
  }
}
