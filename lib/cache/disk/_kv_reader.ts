import type { StoredResponse } from "../stored_response.ts";
import { chunkCount, decodeResponse, isOtherVersion, readHeader, type RecordHeader } from "./_kv_record.ts";
import { chunkRow, hashOfKey, recordRow } from "./_kv_rows.ts";

/** What a look-up on disk came to. */
export type ReadOutcome =
  | { readonly kind: "found"; readonly response: StoredResponse; readonly bucket: number }
  | { readonly kind: "absent" }
  /** Past its time. */
  | { readonly kind: "dead" }
  /** Not as it was written; `versionstamp` names what was read. */
  | { readonly kind: "corrupt"; readonly versionstamp: string };

const ABSENT: ReadOutcome = { kind: "absent" };
/** Keys that Deno KV takes in one `getMany`. */
const KEYS_AT_ONCE = 10;

/** What is asked for. */
export interface ReadRequest {
  readonly key: string;
  readonly nowMs: number;
  /** Asked before a body in chunks is brought into memory; where there is no room for it, the entry is not answered. */
  readonly hasRoomFor: (bytes: number) => boolean;
}

/** Reads what a key holds on disk and verifies all of it before anything is answered. */
export async function readEntry(kv: Deno.Kv, asked: ReadRequest): Promise<ReadOutcome> {
  const row = recordRow(hashOfKey(asked.key));
  const first = await readOnce(kv, row, asked);
  if (first.kind !== "corrupt") return first;
  // A writer may have replaced the entry between our reads of its record and its chunks: that is no damage.
  const again = await kv.get(row);
  if (again.versionstamp === first.versionstamp) return first;
  return await readOnce(kv, row, asked);
}

async function readOnce(kv: Deno.Kv, row: Deno.KvKey, asked: ReadRequest): Promise<ReadOutcome> {
  const { value: record, versionstamp } = await kv.get(row);
  if (versionstamp === null || !(record instanceof Uint8Array)) return ABSENT;
  const header = readHeader(record);
  // Another version of Usher may have written it; the next put replaces it.
  if (header === null) return isOtherVersion(record) ? ABSENT : { kind: "corrupt", versionstamp };
  if (header.deadAtMs <= asked.nowMs) return { kind: "dead" };
  const chunked = chunkCount(header.bodyLength) > 0;
  if (chunked && !asked.hasRoomFor(header.bodyLength)) return ABSENT;
  const body = chunked ? await readChunks(kv, header) : null;
  const response = chunked && body === null ? null : decodeResponse(record, body);
  if (response === null) return { kind: "corrupt", versionstamp };
  // Two keys with one hash: the other one's response is not ours.
  return response.key === asked.key ? { kind: "found", response, bucket: header.bucket } : ABSENT;
}

async function readChunks(kv: Deno.Kv, header: RecordHeader): Promise<Uint8Array<ArrayBuffer> | null> {
  const count = chunkCount(header.bodyLength);
  const reads: Promise<Deno.KvEntryMaybe<unknown>[]>[] = [];
  for (let from = 0; from < count; from += KEYS_AT_ONCE) {
    const length = Math.min(KEYS_AT_ONCE, count - from);
    reads.push(kv.getMany(Array.from({ length }, (_, n) => chunkRow(header.id, from + n))));
  }
  const chunks = (await Promise.all(reads)).flat();
  const body = new Uint8Array(header.bodyLength);
  let at = 0;
  for (const { value } of chunks) {
    if (!(value instanceof Uint8Array) || at + value.byteLength > body.byteLength) return null;
    body.set(value, at);
    at += value.byteLength;
  }
  return at === body.byteLength ? body : null;
}
