import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { ttlMs } from "../cache/policy/reuse.ts";
import { decodeRecord, encodeRecord, outlineOf, RECORD_VERSION } from "../cache/record.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import { isVaryMarker } from "../cache/variants.ts";

/**
 * The value of an entry that gateways share. Numbers are big-endian. What is longer than a value may be goes on in parts; the code is
 * over all of it, so that parts of two versions are never taken for one.
 *
 *      0 version u8 · 1 flags u8 · 2 number of parts u16 · 4 purge position f64 · 12 requestTimeMs f64 · 20 fresh until f64
 *     28 dead at f64 · 36 names of a marker 8 · 44 id of the parts, and nonce 12 · 56 authentication code 32
 *     88 length of the record u32 · record (see `record.ts`) · body; or the same sealed
 *
 * The authentication code is HMAC-SHA-256 over the header, the entry's hash and what follows the code.
 */
const VALUE_VERSION = 1;
const ENCRYPTED = 1;
const PARTS_AT = 2;
const POSITION_AT = 4;
const REQUEST_TIME_AT = 12;
const FRESH_AT = 20;
const DEAD_AT = 28;
const NAMES_AT = 36;
const ID_AT = 44;
const ID_BYTES = 12;
const HEADER_BYTES = 56;
const CODE_BYTES = 32;
const PAYLOAD_AT = HEADER_BYTES + CODE_BYTES;

/** Bytes of a value and of each of its parts, at most: the engine serves one command at a time, and a long reply holds up all others. */
const PART_BYTES = 256 * 1024;
const MAX_PARTS = 260;
/** Of a record, more or less: its fields came in one head. */
const MAX_HEAD_BYTES = 128 * 1024;
const CIPHER = "AES-GCM";

/** The names of an entry: its cache key, and the hash by which the engine knows it. */
export interface EntryName {
  readonly key: string;
  /** 128 bits, in hexadecimal. */
  readonly hash: string;
}

/** A response as it is put into the engine. */
export interface SealedEntry {
  readonly value: Uint8Array<ArrayBuffer>;
  /** What did not fit; empty for most. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  /** Names the parts, in hexadecimal. */
  readonly id: string;
}

/** When an entry is put, and from when on it is of no more use; milliseconds since the Unix epoch. */
export interface EntryTimes {
  readonly nowMs: number;
  readonly deadAtMs: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** The parts that belong to a value. */
export interface PartNames {
  readonly id: string;
  readonly count: number;
}

/** What a value turned out to be. */
export type Opened =
  | { readonly kind: "found"; readonly response: StoredResponse }
  /** Past its time. */
  | { readonly kind: "dead" }
  /** Of another version of Usher. */
  | { readonly kind: "other" }
  /** Not as it was written, not by a gateway of this cluster, or another entry's. */
  | { readonly kind: "corrupt" };

const CORRUPT: Opened = { kind: "corrupt" };

/** Writes and reads entries with the keys that follow from a cluster's secret: nobody else can make one that is believed. */
export class EntrySeal {
  readonly #codeKey: Uint8Array;
  readonly #cipherKey: Uint8Array;
  readonly #isEncrypting: boolean;

  /** `encrypt` is for what is written from now on; what is read may be either. */
  constructor(secret: string, encrypt: boolean) {
    this.#codeKey = derived(secret, "usher entry code 1");
    this.#cipherKey = derived(secret, "usher entry cipher 1");
    this.#isEncrypting = encrypt;
  }

  /** A response as an entry; `null` where its parts would be too many. */
  async seal(response: StoredResponse, { hash }: EntryName, times: EntryTimes): Promise<SealedEntry | null> {
    const id = crypto.getRandomValues(new Uint8Array(ID_BYTES));
    const payload = await this.#payloadOf(response, hash, id);
    const count = Math.ceil((PAYLOAD_AT + payload.byteLength) / PART_BYTES) - 1;
    if (count > MAX_PARTS) return null;
    const all = new Uint8Array(PAYLOAD_AT + payload.byteLength);
    const view = new DataView(all.buffer);
    view.setUint8(0, VALUE_VERSION);
    view.setUint8(1, this.#isEncrypting ? ENCRYPTED : 0);
    view.setUint16(PARTS_AT, count);
    view.setFloat64(POSITION_AT, response.purgePosition);
    view.setFloat64(REQUEST_TIME_AT, response.requestTimeMs);
    view.setFloat64(FRESH_AT, freshUntilMs(response, times));
    view.setFloat64(DEAD_AT, times.deadAtMs);
    if (isVaryMarker(response)) all.set(namesDigest(response), NAMES_AT);
    all.set(id, ID_AT);
    all.set(payload, PAYLOAD_AT);
    all.set(this.#codeOf([all], hash), HEADER_BYTES);
    const parts = Array.from({ length: count }, (_, n) => all.subarray((n + 1) * PART_BYTES, (n + 2) * PART_BYTES));
    return { value: all.subarray(0, PART_BYTES), parts, id: Buffer.from(id).toString("hex") };
  }

  /** The response of a value and all of its parts, verified. It holds none of their memory. */
  async open(pieces: readonly Bytes[], { key, hash }: EntryName, nowMs: number): Promise<Opened> {
    const [value] = pieces as [Bytes];
    if (value.byteLength > 0 && value[0] !== VALUE_VERSION) return { kind: "other" };
    if (value.byteLength < PAYLOAD_AT + 4) return CORRUPT;
    if (!timingSafeEqual(this.#codeOf(pieces, hash), value.subarray(HEADER_BYTES, PAYLOAD_AT))) return CORRUPT;
    // From here on it is what a gateway of this cluster wrote under this hash.
    if (viewOf(value).getFloat64(DEAD_AT) <= nowMs) return { kind: "dead" };
    const payload = joined(pieces).subarray(PAYLOAD_AT);
    const isEncrypted = (value[1]! & ENCRYPTED) !== 0;
    const plain = isEncrypted ? await this.#decrypted(payload, hash, value.subarray(ID_AT, HEADER_BYTES)) : payload;
    if (plain === null || plain.byteLength < 4) return CORRUPT;
    const record = plain.subarray(4);
    if (record.byteLength > 0 && record[0] !== RECORD_VERSION) return { kind: "other" };
    if (outlineOf(record)?.recordBytes !== viewOf(plain).getUint32(0)) return CORRUPT;
    const response = decodeRecord(record, null);
    // Two keys may have one hash, if not by chance.
    return response === null || response.key !== key ? CORRUPT : { kind: "found", response };
  }

  /** Of the header, the hash and what follows the code. */
  #codeOf(pieces: readonly Bytes[], hash: string): Uint8Array {
    const [value, ...parts] = pieces as [Bytes, ...Bytes[]];
    const code = createHmac("sha256", this.#codeKey)
      .update(value.subarray(0, HEADER_BYTES)).update(hash).update(value.subarray(PAYLOAD_AT));
    for (const part of parts) code.update(part);
    return code.digest();
  }

  /** The length of the record, the record and the body, in one piece. */
  async #payloadOf(response: StoredResponse, hash: string, id: Uint8Array<ArrayBuffer>): Promise<Bytes> {
    const record = encodeRecord(response);
    const { body } = response;
    const plain = new Uint8Array(4 + record.byteLength + body.byteLength);
    viewOf(plain).setUint32(0, record.byteLength);
    plain.set(record, 4);
    plain.set(body, 4 + record.byteLength);
    if (!this.#isEncrypting) return plain;
    const key = await this.#cipherKeyOf(hash, "encrypt");
    return new Uint8Array(await crypto.subtle.encrypt({ name: CIPHER, iv: id }, key, plain));
  }

  /** A key for each entry: nonces are chance, and one key is good for a limited number of them. */
  async #cipherKeyOf(hash: string, use: "encrypt" | "decrypt"): Promise<CryptoKey> {
    const key = new Uint8Array(createHmac("sha256", this.#cipherKey).update(hash).digest());
    return await crypto.subtle.importKey("raw", key, CIPHER, false, [use]);
  }

  async #decrypted(payload: Bytes, hash: string, nonce: Bytes): Promise<Bytes | null> {
    const key = await this.#cipherKeyOf(hash, "decrypt");
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ name: CIPHER, iv: nonce }, key, payload));
    } catch {
      return null;
    }
  }
}

function joined(pieces: readonly Bytes[]): Bytes {
  if (pieces.length === 1) return pieces[0]!;
  const all = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.byteLength;
  }
  return all;
}

/** The parts of a value; none where it has none, or is none. */
export function partsOf(value: Uint8Array): PartNames {
  if (value.byteLength < PAYLOAD_AT || value[0] !== VALUE_VERSION) return { id: "", count: 0 };
  const id = Buffer.from(value.subarray(ID_AT, ID_AT + ID_BYTES)).toString("hex");
  return { id, count: Math.min(MAX_PARTS, viewOf(value).getUint16(PARTS_AT)) };
}

/** Pieces that an entry with a body of this length has, at most. */
export function piecesAtMost(bodyBytes: number): number {
  return Math.ceil((bodyBytes + MAX_HEAD_BYTES) / PART_BYTES);
}

/** Until when it answers without being validated; 0 for what always is. A marker only leads on. */
function freshUntilMs(response: StoredResponse, { nowMs, deadAtMs }: EntryTimes): number {
  if (isVaryMarker(response)) return deadAtMs;
  return response.freshness.alwaysValidate ? 0 : nowMs + ttlMs(response, nowMs);
}

/** Markers of the same names are alike, whatever the variant that they were made with. */
function namesDigest({ selectedBy }: StoredResponse): Uint8Array {
  const names = JSON.stringify(selectedBy.map(([name]) => name));
  return createHmac("sha256", "usher marker").update(names).digest().subarray(0, ID_AT - NAMES_AT);
}

function derived(secret: string, purpose: string): Uint8Array {
  return createHmac("sha256", secret).update(purpose).digest();
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
