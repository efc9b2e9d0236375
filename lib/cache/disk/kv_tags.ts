import { readTags } from "./_kv_record.ts";

/** Rows that Deno KV reads at once. */
const BATCH_ROWS = 100;

/**
 * Tells the purge tags of everything on disk, entry by entry: what was stored before this process. It takes some six seconds for
 * 100,000 entries, and yields to other work between batches.
 *
 * @throws {Error} what Deno KV throws
 */
export async function scanTags(
  kv: Deno.Kv,
  onTags: (tags: readonly string[]) => void,
  signal: AbortSignal,
): Promise<void> {
  for await (const { value } of kv.list({ prefix: ["r"] }, { batchSize: BATCH_ROWS })) {
    if (signal.aborted) return;
    if (value instanceof Uint8Array) onTags(readTags(value));
  }
}
