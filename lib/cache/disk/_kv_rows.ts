import { hash } from "node:crypto";
import { PAGE_BYTES } from "./kv_inspect.ts";
import { CHUNK_BYTES, chunkCount, ID_LENGTH } from "./_kv_record.ts";

/**
 * The rows of the tier:
 *
 *     ["r", hash of the cache key]        record of an entry (see `_kv_record.ts`)
 *     ["b", id, n]                        chunk n of a body
 *     ["x", listener, bucket, id]         use of an entry: oldest bucket first; written with its record, same versionstamp
 *     ["w", id]                           chunks being written or removed: those that a killed writer left are found here
 *     ["n", "bytes"], ["n", "entries"]    sums of all entries, kept by every commit
 *     ["l", listener]                     sum of bytes of one listener
 *     ["n", "oldest"]                     bucket of the entry that was evicted last, or is the oldest
 *     ["c"]                               calibration: bytes of the file per byte counted, in millionths
 */
export type Row = readonly (string | number | Uint8Array<ArrayBuffer>)[];

/** Sum of the bytes of all entries, as {@linkcode entryCostBytes} counts them. */
export const BYTES_ROW: Row = ["n", "bytes"];
/** Number of entries. */
export const ENTRIES_ROW: Row = ["n", "entries"];
/** Bucket of the oldest entry, as last seen. */
export const OLDEST_ROW: Row = ["n", "oldest"];
/** Bytes that the file really takes for a million bytes counted. */
export const CALIBRATION_ROW: Row = ["c"];

/** SHA-256 of a key, in hexadecimal: text costs less than an array. */
export function digestOfKey(key: string): string {
  return hash("sha256", key);
}

/** A key's row name. Long keys do not fit into one of Deno KV, so all are hashed; the record holds the key itself. */
export function hashOfKey(key: string): Uint8Array<ArrayBuffer> {
  return hashOfDigest(digestOfKey(key));
}

/** The same of the key's digest. */
export function hashOfDigest(digest: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(digest.slice(0, 32));
}

/** Row of a record. */
export function recordRow(hash: Uint8Array<ArrayBuffer>): Row {
  return ["r", hash];
}

/** Row of one chunk. */
export function chunkRow(id: Uint8Array<ArrayBuffer>, n: number): Row {
  return ["b", id, n];
}

/** Row of an entry's use. */
export function useRow(listener: string, bucket: number, id: Uint8Array<ArrayBuffer>): Row {
  return ["x", listener, bucket, id];
}

/** Row of chunks in transit. */
export function transitRow(id: Uint8Array<ArrayBuffer>): Row {
  return ["w", id];
}

/** Row of a listener's sum. */
export function listenerRow(listener: string): Row {
  return ["l", listener];
}

/** Uses within one such time are not told apart by eviction. */
const BUCKET_MS = 1000;

/** The bucket of a use at a time. */
export function bucketAt(nowMs: number): number {
  return Math.floor(nowMs / BUCKET_MS);
}

/** When a bucket began, in milliseconds. */
export function bucketStartMs(bucket: number): number {
  return bucket * BUCKET_MS;
}

let idsMade = 0;

/**
 * A new id: time first, then a count, so that ids of one worker come in the order they were made and lie together; then six
 * bytes of chance.
 */
export function newId(nowMs: number): Uint8Array<ArrayBuffer> {
  const id = crypto.getRandomValues(new Uint8Array(ID_LENGTH));
  const view = new DataView(id.buffer);
  view.setUint32(0, Math.floor(nowMs / 65_536));
  view.setUint16(4, nowMs % 65_536);
  view.setUint16(6, idsMade = (idsMade + 1) % 65_536);
  return id;
}

/** The use row of an entry: enough to remove the entry without reading it. */
export interface Use {
  readonly hash: Uint8Array<ArrayBuffer>;
  readonly costBytes: number;
  readonly deadAtMs: number;
  readonly storedAtMs: number;
  readonly bodyLength: number;
}

const USE_LENGTH = 44;

/** The use row's value of an entry. */
export function encodeUse(hash: Uint8Array<ArrayBuffer>, header: Omit<Use, "hash">): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(USE_LENGTH);
  const view = new DataView(value.buffer);
  value.set(hash);
  view.setFloat64(16, header.costBytes);
  view.setFloat64(24, header.deadAtMs);
  view.setFloat64(32, header.storedAtMs);
  view.setUint32(40, header.bodyLength);
  return value;
}

/** Reads a use row's value; `null` where it is none. */
export function decodeUse(value: unknown): Use | null {
  if (!(value instanceof Uint8Array) || value.byteLength !== USE_LENGTH) return null;
  const view = new DataView(value.buffer, value.byteOffset, USE_LENGTH);
  const [costBytes, deadAtMs, storedAtMs] = [view.getFloat64(16), view.getFloat64(24), view.getFloat64(32)];
  // A damaged number would spoil the sums that it is taken from.
  if (!isSize(costBytes) || Number.isNaN(deadAtMs) || Number.isNaN(storedAtMs)) return null;
  return {
    hash: new Uint8Array(value.subarray(0, 16)),
    costBytes,
    deadAtMs,
    storedAtMs,
    bodyLength: view.getUint32(40),
  };
}

/** Chunks in transit: being written (`timeMs` is the last progress) or to be removed (`timeMs` is 0). */
export interface Transit {
  readonly listener: string;
  readonly chunks: number;
  /** Part of the sums that goes with the chunks. */
  readonly countedBytes: number;
  readonly timeMs: number;
}

/** The transit row's value. */
export function encodeTransit(transit: Transit): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(transit));
}

/** Reads a transit row's value; `null` where it is none. */
export function decodeTransit(value: unknown): Transit | null {
  if (!(value instanceof Uint8Array)) return null;
  try {
    const { listener, chunks, countedBytes, timeMs } = JSON.parse(new TextDecoder().decode(value)) ?? {};
    const isSound = typeof listener === "string" && [chunks, countedBytes, timeMs].every(isSize);
    return isSound ? { listener, chunks, countedBytes, timeMs } : null;
  } catch {
    return null;
  }
}

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Bytes of an overflow page that hold content. */
const OVERFLOW_BYTES = PAGE_BYTES - 4;
/** The most and the least that SQLite keeps of a row in the tree's own pages (its file format, "B-tree pages"). */
const MAX_LOCAL_BYTES = Math.floor((PAGE_BYTES - 12) * 64 / 255) - 23;
const MIN_LOCAL_BYTES = Math.floor((PAGE_BYTES - 12) * 32 / 255) - 23;
/** Tree pages are about two thirds full. */
const TREE_OVERHEAD = 1.45;
/** Columns beside key and value, and the row's own header. */
const ROW_BYTES = 26;
/** The row's entry in the index of expiry times, beside its key. */
const INDEX_BYTES = 10;

/** Bytes of the file that a row takes: its part in the tree, its overflow pages, its key in the index of expiry times. */
export function rowCostBytes(keyLength: number, valueLength: number): number {
  const payload = keyLength + valueLength + ROW_BYTES;
  let local = payload;
  let overflowPages = 0;
  if (payload > MAX_LOCAL_BYTES) {
    const kept = MIN_LOCAL_BYTES + (payload - MIN_LOCAL_BYTES) % OVERFLOW_BYTES;
    local = kept <= MAX_LOCAL_BYTES ? kept : MIN_LOCAL_BYTES;
    overflowPages = Math.ceil((payload - local) / OVERFLOW_BYTES);
  }
  return Math.ceil((local + keyLength + INDEX_BYTES) * TREE_OVERHEAD) + overflowPages * PAGE_BYTES;
}

/** Length of a record's row key, a chunk's, and a use's beside its listener. */
const RECORD_KEY_LENGTH = 21;
const CHUNK_KEY_LENGTH = 26;
const USE_KEY_LENGTH = 30;

/** Bytes of the file that one chunk takes. */
export function chunkCostBytes(chunkLength: number): number {
  return rowCostBytes(CHUNK_KEY_LENGTH, chunkLength);
}

/** Bytes of the file that the chunks of a body take. */
export function chunksCostBytes(bodyLength: number): number {
  if (chunkCount(bodyLength) === 0) return 0;
  const rest = bodyLength % CHUNK_BYTES;
  return Math.floor(bodyLength / CHUNK_BYTES) * chunkCostBytes(CHUNK_BYTES) + (rest === 0 ? 0 : chunkCostBytes(rest));
}

/** Bytes of the file that an entry takes: its record, its use and its chunks. */
export function entryCostBytes(listener: string, recordLength: number, bodyLength: number): number {
  return rowCostBytes(RECORD_KEY_LENGTH, recordLength) + rowCostBytes(USE_KEY_LENGTH + listener.length, USE_LENGTH) +
    chunksCostBytes(bodyLength);
}

/** A sum above this is one that fell below zero: the file lost rows behind our back. */
const PLAUSIBLE_SUM = 2n ** 60n;

/** The largest size of SQLite's write-ahead log, as measured with four workers writing without a pause. */
export const LOG_RESERVE_BYTES = 12 * 1024 * 1024;
const FILE_OVER_LIMIT = 1.2;
const MIN_SHARE = 0.25;
const MILLION = 1_000_000;

/** Input of {@linkcode allowedSumBytes}. */
export interface DiskLimit {
  /** The limit that the user set. */
  readonly limitBytes: number;
  /** Left to SQLite's log. */
  readonly logReserveBytes: number;
}

/**
 * The sum of entries that a limit allows: the file and its log together stay below 1.2 times the limit, so a small limit leaves
 * a part of itself to the log. `calibration` is what a million bytes counted take of the file, as the janitor measured it.
 */
export function allowedSumBytes({ limitBytes, logReserveBytes }: DiskLimit, calibration: number): number {
  const besideLog = Math.max(limitBytes * MIN_SHARE, limitBytes * FILE_OVER_LIMIT - logReserveBytes);
  return Math.floor(Math.min(limitBytes, besideLog) * MILLION / Math.max(MILLION / 2, calibration || MILLION));
}

/** Collects what one commit changes of the sums, and adds it to the commit, so that the two can never disagree. */
export class SumChanges {
  readonly #listeners = new Map<string, number>();
  #bytes = 0;
  #entries = 0;

  /** Bytes that the commit adds; negative where it frees more. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds bytes and entries of a listener; negative where they go. */
  add(listener: string, bytes: number, entries: number): void {
    this.#bytes += bytes;
    this.#entries += entries;
    this.#listeners.set(listener, (this.#listeners.get(listener) ?? 0) + bytes);
  }

  /** Changes the sums over all listeners alone. */
  correct(bytes: number, entries: number): void {
    this.#bytes += bytes;
    this.#entries += entries;
  }

  /** Whether there is nothing to change. */
  get isEmpty(): boolean {
    return this.#bytes === 0 && this.#entries === 0 && [...this.#listeners.values()].every((bytes) => bytes === 0);
  }

  /** Puts the sums into the commit. */
  addTo(atomic: Deno.AtomicOperation): void {
    if (this.#bytes !== 0) atomic.sum(BYTES_ROW, wrapped(this.#bytes));
    if (this.#entries !== 0) atomic.sum(ENTRIES_ROW, wrapped(this.#entries));
    for (const [listener, bytes] of this.#listeners) {
      if (bytes !== 0) atomic.sum(listenerRow(listener), wrapped(bytes));
    }
  }
}

/** A sum as it was read; 0 where there is none or it makes no sense. */
export function sumOf(value: unknown): number {
  if (!(value instanceof Deno.KvU64) || value.value > PLAUSIBLE_SUM) return 0;
  return Number(value.value);
}

/** Deno KV adds modulo 2^64, so a negative number is added as its complement. */
function wrapped(change: number): bigint {
  return BigInt.asUintN(64, BigInt(change));
}
