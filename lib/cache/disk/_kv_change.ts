import { CHUNKS_WITH_ENTRY, removeBody } from "./_kv_evictor.ts";
import { chunkCount, type EncodedResponse, type RecordHeader, withBucket } from "./_kv_record.ts";
import { chunkRow, chunksCostBytes, encodeUse, recordRow, type SumChanges, transitRow, useRow } from "./_kv_rows.ts";
import type { StoredResponse } from "../stored_response.ts";

/** One change that waits to be written. */
export type WriteOp =
  | { readonly kind: "put"; readonly key: string; readonly bytes: number; readonly response: StoredResponse }
  /** `suspect` says that what the key holds was found damaged; what was asked for after `untilMs` stays. */
  | {
    readonly kind: "delete";
    readonly key: string;
    readonly bytes: number;
    readonly suspect: boolean;
    readonly untilMs?: number;
  }
  | { readonly kind: "touch"; readonly key: string; readonly bytes: number };

/** A response ready to be written. */
export interface Encoded extends EncodedResponse {
  readonly header: RecordHeader;
  readonly costBytes: number;
  /** Of the note of its chunks in transit, where they were written ahead. */
  readonly transit: string | null;
}

/** One op and the current record of its key. */
export interface Change {
  readonly op: WriteOp;
  readonly listener: string;
  readonly hash: Uint8Array<ArrayBuffer>;
  /** Of the record as it was read; the commit holds it to be the same still. */
  readonly versionstamp: string | null;
  readonly record: Uint8Array<ArrayBuffer> | null;
  /** `null` where there is no record, or none that can be read. */
  readonly current: RecordHeader | null;
  /** Bytes that the rows of `current` are counted with. */
  readonly currentCostBytes: number;
  /** The entry that a put writes; `null` where the change only removes. */
  readonly encoded: Encoded | null;
}

/** The commit that changes are added to. */
export interface ChangeTarget {
  readonly atomic: Deno.AtomicOperation;
  readonly sums: SumChanges;
  /** Of uses now. */
  readonly bucket: number;
}

/** Chunks of one commit: within Deno KV's 819,200 bytes. */
export const CHUNKS_AT_ONCE = 12;
/** Limits of one commit, below Deno KV's: 819,200 bytes, 1,000 mutations, 81,920 bytes of keys. */
const GROUP_BYTES = 770_000;
const GROUP_MUTATIONS = 800;

/** Whether its body does not fit into the commit of its record. */
export function isLarge(change: Change): boolean {
  return (change.encoded?.chunks.length ?? 0) > CHUNKS_AT_ONCE;
}

/** Puts a change into a commit. A row that others are found by is written before them, and removed after them. */
export function addChange(change: Change, to: ChangeTarget): void {
  to.atomic.check({ key: recordRow(change.hash), versionstamp: change.versionstamp });
  if (change.op.kind === "touch") return addTouch(change, to);
  addRemoval(change, to);
  if (change.encoded === null) to.atomic.delete(recordRow(change.hash));
  else addPut(change, change.encoded, to);
}

/** Removes what belongs to the current record. One that cannot be read keeps its use row: eviction finds its chunks there. */
function addRemoval({ current, currentCostBytes, listener }: Change, { atomic, sums }: ChangeTarget): void {
  if (current === null) return;
  const body = removeBody(atomic, { id: current.id, bodyLength: current.bodyLength, listener });
  atomic.delete(useRow(listener, current.bucket, current.id));
  sums.add(listener, -(currentCostBytes - chunksCostBytes(current.bodyLength) + body.freedBytes), -1);
}

function addPut({ listener, hash }: Change, encoded: Encoded, { atomic, sums }: ChangeTarget): void {
  const { header, record, chunks, costBytes, transit } = encoded;
  atomic.set(useRow(listener, header.bucket, header.id), encodeUse(hash, { ...header, costBytes }));
  if (transit === null) {
    for (const [n, chunk] of chunks.entries()) atomic.set(chunkRow(header.id, n), chunk);
    sums.add(listener, costBytes, 1);
  } else {
    atomic.check({ key: transitRow(header.id), versionstamp: transit }).delete(transitRow(header.id));
    sums.add(listener, costBytes - chunksCostBytes(header.bodyLength), 1);
  }
  atomic.set(recordRow(hash), record);
}

function addTouch({ hash, listener, record, current, currentCostBytes }: Change, to: ChangeTarget): void {
  const { atomic, bucket } = to;
  // A clock that was put back must not make the new use row the one that is removed.
  if (record === null || current === null || bucket <= current.bucket) return;
  atomic.set(useRow(listener, bucket, current.id), encodeUse(hash, { ...current, costBytes: currentCostBytes }));
  atomic.set(recordRow(hash), withBucket(record, bucket));
  atomic.delete(useRow(listener, current.bucket, current.id));
}

/** The changes in groups that one commit can take. */
export function groupsOf(changes: readonly Change[]): readonly Change[][] {
  const groups: Change[][] = [];
  let bytes = Infinity;
  let mutations = 0;
  for (const change of changes) {
    const weight = weightOf(change);
    if (bytes + weight.bytes > GROUP_BYTES || mutations + weight.mutations > GROUP_MUTATIONS) {
      groups.push([]);
      bytes = 0;
      mutations = 0;
    }
    groups.at(-1)!.push(change);
    bytes += weight.bytes;
    mutations += weight.mutations;
  }
  return groups;
}

/** Bytes and mutations of one change; the sums and the keys are counted with their most. */
function weightOf(change: Change): { readonly bytes: number; readonly mutations: number } {
  const { op, encoded, record, current } = change;
  const removed = current === null ? 0 : Math.min(chunkCount(current.bodyLength), CHUNKS_WITH_ENTRY);
  const chunks = encoded === null || isLarge(change) ? [] : encoded.chunks;
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, encoded?.record.byteLength ?? 0) +
    (op.kind === "touch" ? record?.byteLength ?? 0 : 0);
  return { bytes: bytes + 500 + 30 * (removed + chunks.length), mutations: 6 + removed + chunks.length };
}
