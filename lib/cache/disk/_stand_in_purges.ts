import { KvStateStore } from "../../state/kv_state_store.ts";
import type { PurgeRule } from "../purge/purge_rules.ts";
import { loadPurges, savePurges } from "../purge/saved_purges.ts";

/** Files that belong to a KV file. */
const COMPANIONS = ["", "-wal", "-shm", ".lock"];

/**
 * Earlier versions of Usher made files beside one that was in use (`usher-2.kv` to `usher-4.kv`), and saved purges in them. Those that are
 * left beside `path`.
 */
export function standInFiles(path: string): string[] {
  return [2, 3, 4].map((n) => path.replace(/(\.[^./]*)?$/, `-${n}$1`)).filter(isThere);
}

/**
 * Saves the purges of such a file in the one that is used now, which holds responses from before them, and removes the file.
 *
 * @throws {Error} what Deno KV or the file system throws
 */
export async function adoptPurges(from: string, to: string, open: (path: string) => Promise<Deno.Kv>): Promise<void> {
  const rules: PurgeRule[] = [];
  {
    using kv = await open(from);
    rules.push(...await loadPurges(new KvStateStore(kv)));
  }
  {
    using kv = await open(to);
    await savePurges(new KvStateStore(kv), rules);
  }
  for (const suffix of COMPANIONS) if (isThere(from + suffix)) await Deno.remove(from + suffix);
}

function isThere(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}
