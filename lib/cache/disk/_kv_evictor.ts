import { commitPatiently } from "../../state/kv_commit.ts";
import { chunkCount } from "./_kv_record.ts";
import {
  chunkRow,
  chunksCostBytes,
  decodeUse,
  encodeTransit,
  OLDEST_ROW,
  recordRow,
  SumChanges,
  sumOf,
  transitRow,
  type Use,
} from "./_kv_rows.ts";

/** Options of eviction on disk. */
export interface EvictorOptions {
  readonly kv: Deno.Kv;
  /** Part of the limit guaranteed to the listeners, split evenly; what was used in the last buckets only. */
  readonly guaranteedShare: number;
  /** The listener whose entries are evicted; where it is left out, any listener's. */
  readonly listener?: string;
}

/** An entry's use row as it was read. */
export interface UseEntry {
  readonly row: Deno.KvKey;
  readonly listener: string;
  readonly id: Uint8Array<ArrayBuffer>;
  readonly versionstamp: string;
  readonly use: Use;
}

/** Entries of one commit, and mutations, at most: well within Deno KV's 100 checks and 1,000 mutations. */
const ENTRIES_AT_ONCE = 40;
const MUTATIONS_AT_ONCE = 600;
/** A body of more chunks is handed to the janitor instead of being removed with its entry. */
export const CHUNKS_WITH_ENTRY = 64;
/** Listeners whose oldest entry is compared, the largest ones first. */
const LISTENERS_COMPARED = 16;

/** A use row as read from KV; `null` where it is not one. */
export function useEntryOf(entry: Deno.KvEntry<unknown>): UseEntry | null {
  const [, listener, , id] = entry.key;
  const use = decodeUse(entry.value);
  if (use === null || typeof listener !== "string" || !(id instanceof Uint8Array)) return null;
  return { row: entry.key, listener, id: new Uint8Array(id), versionstamp: entry.versionstamp, use };
}

/** Puts the removal of a body into a commit: its chunks where they are few, else a note for the janitor. */
export function removeBody(
  atomic: Deno.AtomicOperation,
  body: { readonly id: Uint8Array<ArrayBuffer>; readonly bodyLength: number; readonly listener: string },
): { readonly freedBytes: number; readonly mutations: number } {
  const chunks = chunkCount(body.bodyLength);
  if (chunks <= CHUNKS_WITH_ENTRY) {
    for (let n = 0; n < chunks; n++) atomic.delete(chunkRow(body.id, n));
    return { freedBytes: chunksCostBytes(body.bodyLength), mutations: chunks };
  }
  const countedBytes = chunksCostBytes(body.bodyLength);
  atomic.set(transitRow(body.id), encodeTransit({ listener: body.listener, chunks, countedBytes, timeMs: 0 }));
  return { freedBytes: 0, mutations: 1 };
}

/**
 * Removes entries whose use rows were read, in commits of bounded size. An entry that changed meanwhile stays. Returns the
 * bytes freed and the entries removed.
 */
export async function removeEntries(
  kv: Deno.Kv,
  entries: readonly UseEntry[],
  enoughBytes: number,
): Promise<{ readonly freedBytes: number; readonly removed: number }> {
  let freedBytes = 0;
  let removed = 0;
  for (let from = 0; from < entries.length && freedBytes < enoughBytes;) {
    const step = stepFrom(entries.slice(from), enoughBytes - freedBytes);
    from += step.length;
    const freed = await removeStep(kv, step);
    freedBytes += freed.freedBytes;
    removed += freed.removed;
  }
  return { freedBytes, removed };
}

function stepFrom(entries: readonly UseEntry[], enoughBytes: number): readonly UseEntry[] {
  let bytes = 0;
  let mutations = 0;
  let count = 0;
  for (const { use } of entries) {
    mutations += 3 + Math.min(chunkCount(use.bodyLength), CHUNKS_WITH_ENTRY);
    if (count > 0 && (count >= ENTRIES_AT_ONCE || mutations > MUTATIONS_AT_ONCE || bytes >= enoughBytes)) break;
    bytes += use.costBytes;
    count++;
  }
  return entries.slice(0, count);
}

async function removeStep(kv: Deno.Kv, step: readonly UseEntry[]): Promise<{ freedBytes: number; removed: number }> {
  const freedBytes = await commitRemoval(kv, step, true);
  if (freedBytes !== null) return { freedBytes, removed: step.length };
  let freed = 0;
  let removed = 0;
  for (const entry of step) {
    // The record may be gone or another's while the use row stands: then the row and its chunks go alone.
    const bytes = await commitRemoval(kv, [entry], true) ?? await commitRemoval(kv, [entry], false);
    freed += bytes ?? 0;
    removed += bytes === null ? 0 : 1;
  }
  return { freedBytes: freed, removed };
}

/** One commit; a record and its use row are always written together, so one versionstamp stands for both. */
async function commitRemoval(kv: Deno.Kv, step: readonly UseEntry[], withRecord: boolean): Promise<number | null> {
  const atomic = kv.atomic();
  const sums = new SumChanges();
  for (const { row, listener, id, versionstamp, use } of step) {
    const record = recordRow(use.hash);
    atomic.check({ key: row, versionstamp });
    if (withRecord) atomic.check({ key: record, versionstamp }).delete(record);
    // The use row last: what it names can be found as long as it is there.
    const body = removeBody(atomic, { id, bodyLength: use.bodyLength, listener });
    atomic.delete(row);
    sums.add(listener, -(use.costBytes - chunksCostBytes(use.bodyLength) + body.freedBytes), -1);
  }
  sums.addTo(atomic);
  return (await commitPatiently(atomic)).ok ? -sums.bytes : null;
}

/** Bytes on disk by listener. */
export async function listenerBytes(kv: Deno.Kv): Promise<Map<string, number>> {
  const held = new Map<string, number>();
  for await (const { key, value } of kv.list({ prefix: ["l"] }, { limit: 1000 })) {
    const bytes = sumOf(value);
    if (bytes > 0) held.set(String(key[1]), bytes);
  }
  return held;
}

/**
 * Evicts at least `bytes`, least recently used entries first: of the listeners above their guaranteed share, that whose
 * oldest entry has been unused longest is evicted from. Returns the bytes freed, fewer only where nothing is left.
 */
export async function evict(
  options: EvictorOptions,
  bytes: number,
): Promise<{ readonly freedBytes: number; readonly removed: number }> {
  let freedBytes = 0;
  let removed = 0;
  for (let idle = 0; freedBytes < bytes && idle < 3;) {
    const { entries, spareBytes } = await oldestEntries(options);
    if (entries.length === 0) break;
    await commitPatiently(options.kv.atomic().set(OLDEST_ROW, new Deno.KvU64(BigInt(bucketOf(entries[0]!)))));
    const step = await removeEntries(options.kv, entries, Math.min(bytes - freedBytes, spareBytes));
    freedBytes += step.freedBytes;
    removed += step.removed;
    // Another worker may be evicting the same entries: then nothing of ours went through, and we look again.
    idle = step.removed === 0 ? idle + 1 : 0;
  }
  return { freedBytes, removed };
}

/** The oldest entries of the listener that is evicted from, and its bytes above the guarantee. */
async function oldestEntries(options: EvictorOptions): Promise<{ entries: readonly UseEntry[]; spareBytes: number }> {
  if (options.listener !== undefined) {
    return { entries: await usesOf(options.kv, options.listener), spareBytes: Infinity };
  }
  const held = await listenerBytes(options.kv);
  const total = [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
  const guaranteed = held.size === 1 ? 0 : total * options.guaranteedShare / Math.max(1, held.size);
  const above = [...held].filter(([, bytes]) => bytes > guaranteed).sort((a, b) => b[1] - a[1]);
  const lists = await Promise.all(above.slice(0, LISTENERS_COMPARED).map(([name]) => usesOf(options.kv, name)));
  const [oldest] = lists.filter((list) => list.length > 0).sort((a, b) => bucketOf(a[0]!) - bucketOf(b[0]!));
  if (oldest === undefined) return { entries: [], spareBytes: 0 };
  return { entries: oldest, spareBytes: (held.get(oldest[0]!.listener) ?? 0) - guaranteed };
}

async function usesOf(kv: Deno.Kv, listener: string): Promise<UseEntry[]> {
  const entries: UseEntry[] = [];
  for await (
    const entry of kv.list({ prefix: ["x", listener] }, { limit: ENTRIES_AT_ONCE, batchSize: ENTRIES_AT_ONCE })
  ) {
    const use = useEntryOf(entry);
    if (use !== null) entries.push(use);
  }
  return entries;
}

function bucketOf(entry: UseEntry): number {
  return Number(entry.row[2]);
}
