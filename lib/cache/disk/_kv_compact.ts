import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import type { StoreLog } from "../store.ts";

/** Options of {@linkcode compactKvFile}. */
export interface CompactOptions {
  readonly clock: Clock;
  readonly log: StoreLog;
  /**
   * Smaller files are left as they are.
   * @default 64 MiB
   */
  readonly leastFileBytes?: number;
  /**
   * Nothing is begun after as long; the next start goes on, while more than half is empty.
   * @default 3 seconds
   */
  readonly budgetMs?: number;
}

/** Moved at a time: 4 MB, some twenty milliseconds. */
const PAGES_AT_ONCE = 500;
/** Deno KV lets go of a file a moment after it was closed. */
const LOCK_WAIT_MS = 2_000;

/**
 * Gives the empty half of a KV file back to the disk, where responses were evicted or the limit was lowered: it does not shrink by itself.
 * Files of versions before this one stay as they are, since they would have to be written anew as a whole. Nothing is lost if the process is
 * killed meanwhile; a failure leaves a sound file, with a warning. Call it before Deno KV opens the file.
 */
export function compactKvFile(path: string, options: CompactOptions): void {
  const { clock, log, leastFileBytes = 64 * 1024 * 1024, budgetMs = 3_000 } = options;
  if (sizeOf(path) < leastFileBytes) return;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
    const beforeBytes = sizeOf(path);
    const isLarge = pragma(database, "freelist_count") * 2 > pragma(database, "page_count");
    if (!isLarge || pragma(database, "auto_vacuum") === 0) return;
    const startedMs = clock.now();
    const step = database.prepare(`pragma incremental_vacuum(${PAGES_AT_ONCE})`);
    while (pragma(database, "freelist_count") > 0 && clock.now() - startedMs < budgetMs) step.all();
    database.prepare("pragma wal_checkpoint(truncate)").get();
    log.info?.("Made the file of the disk cache smaller: more than half of it was empty", {
      beforeBytes,
      afterBytes: sizeOf(path),
      tookMs: clock.now() - startedMs,
    });
  } catch (error) {
    log.warn("Cannot make the file of the disk cache smaller", { path, problem: messageOf(error) });
  } finally {
    database?.close();
  }
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0]);
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
