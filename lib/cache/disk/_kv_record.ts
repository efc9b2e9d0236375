import { crc32 } from "node:zlib";
import { decodeHead, decodeRecord, encodeRecord, outlineOf, RECORD_VERSION, tagsIn } from "../record.ts";
import type { StoredHead, StoredResponse } from "../stored_response.ts";

/**
 * The value of an entry in the file: a header of fixed length, the response's record (see `record.ts`), then its body where that is
 * small. The checksums are CRC-32: they find damage of a file that only this user writes, at a twentieth of what SHA-256 costs. The
 * first covers all that follows it.
 *
 *     0 version u8 · 1 bucket u32 · 5 checksum u32 · 9 checksum u32 of a body in chunks · 13 id 14 · 27 deadAtMs f64 · 35 record · inline body
 */
/** The version of the layout that this program writes and reads. */
const VALUE_VERSION = 3;
const HEADER_LENGTH = 35;
const CHECKSUM_AT = 5;
const BODY_CHECKSUM_AT = 9;
const ID_AT = 13;
const DEAD_AT = 27;
/** Length of the id that each stored version of an entry gets: six bytes of time, two of count, six of chance. */
export const ID_LENGTH = 14;

/** Bodies up to this length lie in the record itself: one read brings them. */
export const INLINE_BODY_BYTES = 16_000;
/**
 * Length of a chunk. Deno KV's limit is 65,536; this length fills seven overflow pages of SQLite and the most that it keeps of
 * a row in the tree, so that next to nothing of the file is lost.
 */
export const CHUNK_BYTES = 59_250;
/** A record beyond this cannot lie in one value; such a response is not kept on disk. */
const MAX_RECORD_BYTES = 44_000;
const MAX_CHUNKS = 8_192;

/** The header of an entry and the sizes of its record: enough to account for the entry and to remove it. */
export interface RecordHeader {
  readonly bucket: number;
  readonly id: Uint8Array<ArrayBuffer>;
  readonly deadAtMs: number;
  /** When the request that brought it was sent. */
  readonly storedAtMs: number;
  readonly bodyLength: number;
}

/** Input of {@linkcode encodeResponse} beside the response. */
export interface RecordOptions {
  readonly id: Uint8Array<ArrayBuffer>;
  readonly bucket: number;
  readonly deadAtMs: number;
}

/** An encoded response: header and record, and its body's chunks where it does not lie behind them. */
export interface EncodedResponse {
  readonly record: Uint8Array<ArrayBuffer>;
  readonly chunks: readonly Uint8Array<ArrayBuffer>[];
}

/** The value and the chunks of a response; `null` where its head or its body is too long for the tier. */
export function encodeResponse(response: StoredResponse, options: RecordOptions): EncodedResponse | null {
  const { body } = response;
  const inner = encodeRecord(response);
  const inline = body.byteLength <= INLINE_BODY_BYTES;
  const chunks = inline ? [] : chunksOf(body);
  if (inner.byteLength > MAX_RECORD_BYTES || chunks.length > MAX_CHUNKS) return null;
  const record = new Uint8Array(HEADER_LENGTH + inner.byteLength + (inline ? body.byteLength : 0));
  const view = new DataView(record.buffer);
  view.setUint8(0, VALUE_VERSION);
  view.setUint32(1, options.bucket);
  record.set(options.id, ID_AT);
  view.setFloat64(DEAD_AT, options.deadAtMs);
  record.set(inner, HEADER_LENGTH);
  if (inline) record.set(body, HEADER_LENGTH + inner.byteLength);
  if (!inline) view.setUint32(BODY_CHECKSUM_AT, crc32(body));
  view.setUint32(CHECKSUM_AT, checksumOf(record));
  return { record, chunks };
}

/** The header of an entry's value; `null` where it is not one of this version, or its record is not. */
export function readHeader(record: Uint8Array): RecordHeader | null {
  if (record.byteLength < HEADER_LENGTH || record[0] !== VALUE_VERSION) return null;
  const outline = outlineOf(record.subarray(HEADER_LENGTH));
  if (outline === null || outline.bodyBytes === null) return null;
  const { requestTimeMs, recordBytes, bodyBytes } = outline;
  const chunks = chunkCount(bodyBytes);
  if (record.byteLength !== HEADER_LENGTH + recordBytes + (chunks === 0 ? bodyBytes : 0) || chunks > MAX_CHUNKS) {
    return null;
  }
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  return {
    bucket: view.getUint32(1),
    id: new Uint8Array(record.subarray(ID_AT, ID_AT + ID_LENGTH)),
    deadAtMs: view.getFloat64(DEAD_AT),
    storedAtMs: requestTimeMs,
    bodyLength: bodyBytes,
  };
}

/** Whether another version of Usher wrote a value: its layout is not known here. */
export function isOtherVersion(record: Uint8Array): boolean {
  return record.byteLength > 0 && record[0] !== VALUE_VERSION ||
    record.byteLength > HEADER_LENGTH && record[HEADER_LENGTH] !== RECORD_VERSION;
}

/** Chunks that a body of this length lies in; 0 where its record holds it. */
export function chunkCount(bodyLength: number): number {
  return bodyLength <= INLINE_BODY_BYTES ? 0 : Math.ceil(bodyLength / CHUNK_BYTES);
}

/** A copy of a value with another bucket of use. */
export function withBucket(record: Uint8Array, bucket: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(record);
  new DataView(copy.buffer).setUint32(1, bucket);
  return copy;
}

/**
 * The response of a value, verified: `body` is what its chunks held, or `null` where the value holds it itself.
 * Returns `null` where anything is not as it was written.
 */
export function decodeResponse(record: Uint8Array, body: Uint8Array<ArrayBuffer> | null): StoredResponse | null {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  if (view.getUint32(CHECKSUM_AT) !== checksumOf(record)) return null;
  if (body !== null && view.getUint32(BODY_CHECKSUM_AT) !== crc32(body)) return null;
  return decodeRecord(record.subarray(HEADER_LENGTH), body);
}

/** The head of a value's response, its body not looked at; `null` where the value is not as it was written. */
export function decodeHeadOf(record: Uint8Array): StoredHead | null {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  return view.getUint32(CHECKSUM_AT) === checksumOf(record) ? decodeHead(record.subarray(HEADER_LENGTH)) : null;
}

/** The purge tags of a value, without a look at the rest of it; none where it cannot be read. */
export function readTags(record: Uint8Array): readonly string[] {
  return record[0] === VALUE_VERSION ? tagsIn(record.subarray(HEADER_LENGTH)) : [];
}

/** Views: Deno KV copies what it is given, and copies made here would wait for the garbage collector, a body's length of them. */
function chunksOf(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < body.byteLength; at += CHUNK_BYTES) chunks.push(body.subarray(at, at + CHUNK_BYTES));
  return chunks;
}

function checksumOf(record: Uint8Array): number {
  return crc32(record.subarray(BODY_CHECKSUM_AT));
}
