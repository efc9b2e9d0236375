import { createHash } from "node:crypto";
import type { Fields } from "../http/fields.ts";
import { type StoredKind, type StoredResponse, storedResponse } from "./stored_response.ts";

/**
 * A record is one binary value: a header of fixed length, the response's metadata as JSON, then its body where that is small.
 * The digest covers all that follows it and, where the body lies in chunks, the body's own digest.
 *
 *     0 version u8 · 1 bucket u32 · 5 digest 32 · 37 id 14 · 51 deadAtMs f64 · 59 storedAtMs f64
 *     67 bodyLength u32 · 71 metaLength u32 · 75 metadata · inline body
 */
/** The version that this program writes and reads. */
export const RECORD_VERSION = 1;
const HEADER_LENGTH = 75;
const DIGEST_AT = 5;
const DIGEST_LENGTH = 32;
const ID_AT = 37;
/** Length of the id that each stored version of an entry gets: six bytes of time, two of count, six of chance. */
export const ID_LENGTH = 14;

/** Bodies up to this length lie in the record itself: one read answers them. */
export const INLINE_BODY_BYTES = 16_000;
/**
 * Length of a chunk. Deno KV's limit is 65,536; this length fills fourteen overflow pages of SQLite and the most that it keeps
 * of a row in the tree, so that next to nothing of the file is lost.
 */
export const CHUNK_BYTES = 58_200;
/** Metadata beyond this cannot lie in one value; such a response is not kept on disk. */
const MAX_META_BYTES = 44_000;
const MAX_CHUNKS = 8_192;

/** What the header of a record says; enough to account for the entry and to remove it. */
export interface RecordHeader {
  readonly bucket: number;
  readonly id: Uint8Array<ArrayBuffer>;
  readonly deadAtMs: number;
  /** When the request that brought it was sent. */
  readonly storedAtMs: number;
  readonly bodyLength: number;
  readonly metaLength: number;
}

/** What a record is written from, beside the response. */
export interface RecordOptions {
  readonly id: Uint8Array<ArrayBuffer>;
  readonly bucket: number;
  readonly deadAtMs: number;
  /** Of {@linkcode bodyDigest}; not used where the record holds the body. */
  readonly bodyDigest: Uint8Array | null;
}

/** An encoded response: its record, and its body's chunks where the record does not hold it. */
export interface EncodedResponse {
  readonly record: Uint8Array<ArrayBuffer>;
  readonly chunks: readonly Uint8Array<ArrayBuffer>[];
}

interface Meta {
  readonly k: string;
  readonly s: number;
  readonly f: readonly string[];
  readonly q: number;
  readonly p: number;
  readonly a: readonly [initialAge: number, lifetime: number, whileRevalidate: number, ifError: number];
  readonly m: number;
  readonly v: ReadonlyArray<readonly [string, string | null]>;
  readonly t: readonly string[];
  readonly x: StoredKind;
  readonly o: string | null;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The record and the chunks of a response; `null` where its metadata or its body is too long for the tier. */
export function encodeResponse(response: StoredResponse, options: RecordOptions): EncodedResponse | null {
  const meta = encoder.encode(JSON.stringify(metaOf(response)));
  const bodyLength = response.body.byteLength;
  const inline = bodyLength <= INLINE_BODY_BYTES;
  const chunks = inline ? [] : chunksOf(response.body);
  if (meta.byteLength > MAX_META_BYTES || chunks.length > MAX_CHUNKS) return null;
  const record = new Uint8Array(HEADER_LENGTH + meta.byteLength + (inline ? bodyLength : 0));
  const view = new DataView(record.buffer);
  view.setUint8(0, RECORD_VERSION);
  view.setUint32(1, options.bucket);
  record.set(options.id, ID_AT);
  view.setFloat64(51, options.deadAtMs);
  view.setFloat64(59, response.requestTimeMs);
  view.setUint32(67, bodyLength);
  view.setUint32(71, meta.byteLength);
  record.set(meta, HEADER_LENGTH);
  if (inline) record.set(response.body, HEADER_LENGTH + meta.byteLength);
  record.set(digest(record, inline ? null : options.bodyDigest), DIGEST_AT);
  return { record, chunks };
}

/** The header of a record; `null` where it is not one of this version. */
export function readHeader(record: Uint8Array): RecordHeader | null {
  if (record.byteLength < HEADER_LENGTH || record[0] !== RECORD_VERSION) return null;
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const header: RecordHeader = {
    bucket: view.getUint32(1),
    id: new Uint8Array(record.subarray(ID_AT, ID_AT + ID_LENGTH)),
    deadAtMs: view.getFloat64(51),
    storedAtMs: view.getFloat64(59),
    bodyLength: view.getUint32(67),
    metaLength: view.getUint32(71),
  };
  return isSound(header, record.byteLength) ? header : null;
}

function isSound(header: RecordHeader, recordLength: number): boolean {
  const chunks = chunkCount(header.bodyLength);
  return recordLength === HEADER_LENGTH + header.metaLength + (chunks === 0 ? header.bodyLength : 0) &&
    chunks <= MAX_CHUNKS;
}

/** Chunks that a body of this length lies in; 0 where its record holds it. */
export function chunkCount(bodyLength: number): number {
  return bodyLength <= INLINE_BODY_BYTES ? 0 : Math.ceil(bodyLength / CHUNK_BYTES);
}

/** Bodies from this length on are digested on another thread; below, the way there costs more than the digest. */
const DIGEST_APART_BYTES = 256 * 1024;

/** SHA-256 of a body that lies in chunks; `null` where the record holds it. */
export async function bodyDigest(body: Uint8Array<ArrayBuffer>): Promise<Uint8Array | null> {
  if (chunkCount(body.byteLength) === 0) return null;
  if (body.byteLength < DIGEST_APART_BYTES) return createHash("sha256").update(body).digest();
  return new Uint8Array(await crypto.subtle.digest("SHA-256", body));
}

/** A copy of a record with another bucket of use. */
export function withBucket(record: Uint8Array, bucket: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(record);
  new DataView(copy.buffer).setUint32(1, bucket);
  return copy;
}

/**
 * The response of a record, verified: `body` is what its chunks held, or `null` where the record holds it itself.
 * Answers `null` where anything is not as it was written.
 */
export async function decodeResponse(
  record: Uint8Array,
  header: RecordHeader,
  body: Uint8Array<ArrayBuffer> | null,
): Promise<StoredResponse | null> {
  if (body !== null && body.byteLength !== header.bodyLength) return null;
  const expected = digest(record, body === null ? null : await bodyDigest(body));
  if (!equalBytes(expected, record.subarray(DIGEST_AT, DIGEST_AT + DIGEST_LENGTH))) return null;
  const meta = metaIn(record, header);
  if (meta === null) return null;
  return responseOf(meta, body ?? new Uint8Array(record.subarray(HEADER_LENGTH + header.metaLength)));
}

/** The purge tags of a record, without a look at the rest of it; none where it cannot be read. */
export function readTags(record: Uint8Array, header: RecordHeader): readonly string[] {
  const tags: unknown = metaIn(record, header)?.t;
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
}

function metaIn(record: Uint8Array, header: RecordHeader): Meta | null {
  try {
    return JSON.parse(decoder.decode(record.subarray(HEADER_LENGTH, HEADER_LENGTH + header.metaLength)));
  } catch {
    return null;
  }
}

function metaOf(response: StoredResponse): Meta {
  const { freshness } = response;
  return {
    k: response.key,
    s: response.status,
    f: response.fields.flat(),
    q: response.requestTimeMs,
    p: response.responseTimeMs,
    a: [
      finite(freshness.initialAgeMs),
      finite(freshness.lifetimeMs),
      finite(freshness.staleWhileRevalidateMs),
      finite(freshness.staleIfErrorMs),
    ],
    m: (freshness.mustRevalidate ? 1 : 0) | (freshness.alwaysValidate ? 2 : 0) | (response.tiers.memory ? 4 : 0) |
      (response.tiers.disk ? 8 : 0) | (response.isUndated ? 16 : 0),
    v: response.selectedBy,
    t: response.tags,
    x: response.kind,
    o: response.originTag,
  };
}

/** JSON has no infinity. */
function finite(ms: number): number {
  return Math.min(ms, Number.MAX_SAFE_INTEGER);
}

function responseOf(meta: Meta, body: Uint8Array<ArrayBuffer>): StoredResponse {
  const fields: Fields = [];
  for (let at = 0; at + 1 < meta.f.length; at += 2) fields.push([meta.f[at]!, meta.f[at + 1]!]);
  return storedResponse({
    key: meta.k,
    kind: meta.x,
    originTag: meta.o,
    isUndated: (meta.m & 16) !== 0,
    status: meta.s,
    fields,
    body,
    requestTimeMs: meta.q,
    responseTimeMs: meta.p,
    freshness: {
      initialAgeMs: meta.a[0],
      lifetimeMs: meta.a[1],
      staleWhileRevalidateMs: meta.a[2],
      staleIfErrorMs: meta.a[3],
      mustRevalidate: (meta.m & 1) !== 0,
      alwaysValidate: (meta.m & 2) !== 0,
    },
    selectedBy: meta.v,
    tags: meta.t,
    tiers: { memory: (meta.m & 4) !== 0, disk: (meta.m & 8) !== 0 },
  });
}

/** Copies, because a view is not worth what its backing buffer may bring along into the store. */
function chunksOf(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < body.byteLength; at += CHUNK_BYTES) chunks.push(body.slice(at, at + CHUNK_BYTES));
  return chunks;
}

function digest(record: Uint8Array, ofBody: Uint8Array | null): Uint8Array {
  const hash = createHash("sha256").update(record.subarray(DIGEST_AT + DIGEST_LENGTH));
  if (ofBody !== null) hash.update(ofBody);
  return hash.digest();
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  for (let at = 0; at < a.byteLength; at++) if (a[at] !== b[at]) return false;
  return true;
}
