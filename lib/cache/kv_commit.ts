/** Tries of one commit, and the longest pause between two. */
const TRIES = 20;
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
  for (let tried = 1;; tried++) {
    try {
      return await atomic.commit();
    } catch (error) {
      if (tried >= TRIES || !isLocked(error)) throw error;
    }
    const pauseMs = Math.random() * Math.min(MAX_PAUSE_MS, 2 ** tried);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && /database( table)? is locked/.test(error.message);
}
