import { pause } from "../clock.ts";

/** How long a commit is tried: on a busy machine the holder of the lock may be slow. */
const PATIENCE_MS = 10_000;
/** The longest pause between two tries. */
const MAX_PAUSE_MS = 40;

/**
 * Commits, and tries again where another connection was writing at that moment: Deno KV says "database is locked" then, before
 * it has changed anything. A failed check is an answer (`ok: false`), not a reason to try again.
 *
 * @throws {Error} what Deno KV throws, or that the file stayed locked
 */
export async function commitPatiently(
  atomic: Deno.AtomicOperation,
): Promise<Deno.KvCommitResult | Deno.KvCommitError> {
  const startedMs = performance.now();
  for (let tried = 1;; tried++) {
    try {
      return await atomic.commit();
    } catch (error) {
      if (!isLocked(error) || performance.now() - startedMs > PATIENCE_MS) throw error;
    }
    await pause(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** tried));
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && /database( table)? is locked/.test(error.message);
}
