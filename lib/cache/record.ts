import { type StoredFacts, StoredHead, type StoredKind, StoredResponse } from "./stored_response.ts";

/**
 * A stored response as bytes, the same on disk and between workers. Numbers are big-endian, texts UTF-8; the body follows the record or
 * is kept beside it, in which case only its length is told here.
 *
 *      0 version u8 · 1 kind u8 · 2 flags u16 · 4 status u16 · 6 length of the authentication code u8 · 7 zero
 *      8 requestTimeMs f64 · 16 responseTimeMs f64 · 24 initialAgeMs f64 · 32 lifetimeMs f64
 *     40 staleWhileRevalidateMs f64 · 48 staleIfErrorMs f64 · 56 purge position u64
 *     64 lengths, u32 each, of key · selecting fields · tags · origin tag · head · body
 *     88 key · selecting fields · tags · origin tag · authentication code · head
 *
 * Selecting fields (name, value, name, value …) and tags are lists of texts: a length u32 before each, all ones for `null`. A body whose
 * length is not known has all ones too. The purge position is 0 where the response has none. The authentication code (none or 32 bytes) is
 * not used yet.
 */
export const RECORD_VERSION = 1;
const LENGTHS_AT = 64;
const FIXED_BYTES = 88;
/** In place of a length. */
const NONE = 0xffffffff;

const KINDS: readonly StoredKind[] = ["response", "marker", "part", "index"];
const MUST_REVALIDATE = 1;
const ALWAYS_VALIDATE = 2;
const IN_MEMORY = 4;
const ON_DISK = 8;
const UNDATED = 16;
const HAS_ORIGIN_TAG = 32;
const PURGED = 64;
const SHARED = 128;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The record of a response, without its body. */
export function encodeRecord(stored: StoredHead): Uint8Array<ArrayBuffer> {
  const parts = [
    encoder.encode(stored.key),
    encodeTexts(stored.selectedBy.flat()),
    encodeTexts(stored.tags),
    encoder.encode(stored.originTag ?? ""),
    stored.head,
  ];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, FIXED_BYTES));
  const view = new DataView(bytes.buffer);
  writeFacts(view, stored);
  let at = FIXED_BYTES;
  for (const [n, part] of parts.entries()) {
    view.setUint32(LENGTHS_AT + n * 4, part.byteLength);
    bytes.set(part, at);
    at += part.byteLength;
  }
  view.setUint32(LENGTHS_AT + parts.length * 4, stored.lengthBytes ?? NONE);
  return bytes;
}

function writeFacts(view: DataView, stored: StoredHead): void {
  const { freshness, tiers } = stored;
  view.setUint8(0, RECORD_VERSION);
  view.setUint8(1, KINDS.indexOf(stored.kind));
  view.setUint16(
    2,
    (freshness.mustRevalidate ? MUST_REVALIDATE : 0) | (freshness.alwaysValidate ? ALWAYS_VALIDATE : 0) |
      (tiers.memory ? IN_MEMORY : 0) | (tiers.disk ? ON_DISK : 0) | (tiers.shared ? SHARED : 0) |
      (stored.isUndated ? UNDATED : 0) |
      (stored.originTag === null ? 0 : HAS_ORIGIN_TAG) | (stored.isPurged ? PURGED : 0),
  );
  view.setUint16(4, stored.status);
  view.setFloat64(8, stored.requestTimeMs);
  view.setFloat64(16, stored.responseTimeMs);
  view.setFloat64(24, freshness.initialAgeMs);
  view.setFloat64(32, freshness.lifetimeMs);
  view.setFloat64(40, freshness.staleWhileRevalidateMs);
  view.setFloat64(48, freshness.staleIfErrorMs);
  view.setBigUint64(56, BigInt(stored.purgePosition));
}

/** Offsets of the parts of a record in its bytes, each from `…At` to the next. */
interface Layout {
  readonly view: DataView;
  readonly selectedByAt: number;
  readonly tagsAt: number;
  readonly originTagAt: number;
  readonly codeAt: number;
  readonly headAt: number;
  readonly endAt: number;
  /** `null` where the length is not known. */
  readonly bodyBytes: number | null;
}

/** `null` where the bytes are no record of this version, or cut off. */
function layoutOf(bytes: Uint8Array): Layout | null {
  if (bytes.byteLength < FIXED_BYTES || bytes[0] !== RECORD_VERSION) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lengthOf = (n: number) => view.getUint32(LENGTHS_AT + n * 4);
  const selectedByAt = FIXED_BYTES + lengthOf(0);
  const tagsAt = selectedByAt + lengthOf(1);
  const originTagAt = tagsAt + lengthOf(2);
  const codeAt = originTagAt + lengthOf(3);
  const headAt = codeAt + view.getUint8(6);
  const endAt = headAt + lengthOf(4);
  const bodyBytes = lengthOf(5);
  if (endAt > bytes.byteLength || KINDS[bytes[1]!] === undefined) return null;
  const known = bodyBytes === NONE ? null : bodyBytes;
  return { view, selectedByAt, tagsAt, originTagAt, codeAt, headAt, endAt, bodyBytes: known };
}

/** The facts of a record that are read without decoding it. */
export interface RecordOutline {
  /** When the request was sent that brought it. */
  readonly requestTimeMs: number;
  /** Length of the record, without a body. */
  readonly recordBytes: number;
  /** Length of the body; `null` where it is not known. */
  readonly bodyBytes: number | null;
}

/** The outline of the record that `bytes` begin with; `null` where they are none of this version, or cut off. */
export function outlineOf(bytes: Uint8Array): RecordOutline | null {
  const layout = layoutOf(bytes);
  if (layout === null) return null;
  return { requestTimeMs: layout.view.getFloat64(8), recordBytes: layout.endAt, bodyBytes: layout.bodyBytes };
}

/** The head that a record holds; `null` where the bytes are no record of this version. */
export function decodeHead(bytes: Uint8Array): StoredHead | null {
  return decoded(bytes, (layout) => {
    const { headAt, endAt, bodyBytes } = layout;
    const facts = { ...factsIn(bytes, layout), lengthBytes: bodyBytes };
    return new StoredHead(facts, ownBuffer(bytes, headAt, endAt), endAt - headAt);
  });
}

/**
 * The response of a record and its body, or of a record that its body follows where `body` is `null`; `null` where the bytes are no record
 * of this version, or the body is not of its length. It holds none of the record's memory.
 */
export function decodeRecord(bytes: Uint8Array, body: Uint8Array<ArrayBuffer> | null): StoredResponse | null {
  return decoded(bytes, (layout) => {
    const { headAt, endAt, bodyBytes } = layout;
    if (bodyBytes !== (body === null ? bytes.byteLength - endAt : body.byteLength)) return null;
    const memory = ownBuffer(bytes, headAt, body === null ? bytes.byteLength : endAt);
    return new StoredResponse(factsIn(bytes, layout), memory, endAt - headAt, body);
  });
}

function decoded<T>(bytes: Uint8Array, make: (layout: Layout) => T | null): T | null {
  const layout = layoutOf(bytes);
  if (layout === null) return null;
  try {
    return make(layout);
  } catch {
    // Texts that are none, or lists that go beyond their part.
    return null;
  }
}

/** The purge tags of a record, without a look at the rest of it; none where it cannot be read. */
export function tagsIn(bytes: Uint8Array): readonly string[] {
  return decoded(bytes, (layout) => tagsOf(bytes, layout)) ?? [];
}

function tagsOf(bytes: Uint8Array, { tagsAt, originTagAt }: Layout): readonly string[] {
  return decodeTexts(bytes.subarray(tagsAt, originTagAt)).filter((tag) => tag !== null);
}

function factsIn(bytes: Uint8Array, layout: Layout): StoredFacts {
  const { view, selectedByAt, tagsAt, originTagAt, codeAt } = layout;
  const flags = view.getUint16(2);
  return {
    key: decoder.decode(bytes.subarray(FIXED_BYTES, selectedByAt)),
    kind: KINDS[bytes[1]!],
    status: view.getUint16(4),
    requestTimeMs: view.getFloat64(8),
    responseTimeMs: view.getFloat64(16),
    freshness: {
      initialAgeMs: view.getFloat64(24),
      lifetimeMs: view.getFloat64(32),
      staleWhileRevalidateMs: view.getFloat64(40),
      staleIfErrorMs: view.getFloat64(48),
      mustRevalidate: (flags & MUST_REVALIDATE) !== 0,
      alwaysValidate: (flags & ALWAYS_VALIDATE) !== 0,
    },
    selectedBy: pairsOf(decodeTexts(bytes.subarray(selectedByAt, tagsAt))),
    tags: tagsOf(bytes, layout),
    tiers: { memory: (flags & IN_MEMORY) !== 0, disk: (flags & ON_DISK) !== 0, shared: (flags & SHARED) !== 0 },
    originTag: (flags & HAS_ORIGIN_TAG) === 0 ? null : decoder.decode(bytes.subarray(originTagAt, codeAt)),
    isUndated: (flags & UNDATED) !== 0,
    isPurged: (flags & PURGED) !== 0,
    purgePosition: Number(view.getBigUint64(56)),
  };
}

function pairsOf(texts: readonly (string | null)[]): StoredFacts["selectedBy"] {
  const pairs: [string, string | null][] = [];
  for (let at = 0; at + 1 < texts.length; at += 2) pairs.push([texts[at] ?? "", texts[at + 1]!]);
  return pairs;
}

function encodeTexts(texts: readonly (string | null)[]): Uint8Array<ArrayBuffer> {
  const encoded = texts.map((text) => text === null ? null : encoder.encode(text));
  const bytes = new Uint8Array(encoded.reduce((sum, text) => sum + 4 + (text?.byteLength ?? 0), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const text of encoded) {
    view.setUint32(at, text?.byteLength ?? NONE);
    if (text !== null) bytes.set(text, at + 4);
    at += 4 + (text?.byteLength ?? 0);
  }
  return bytes;
}

/** @throws {RangeError | TypeError} where the bytes are no such list */
function decodeTexts(bytes: Uint8Array): (string | null)[] {
  const texts: (string | null)[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.byteLength;) {
    const length = view.getUint32(at);
    at += 4;
    if (length === NONE) {
      texts.push(null);
      continue;
    }
    if (at + length > bytes.byteLength) throw new RangeError("Cannot read a list of texts: it is cut off");
    texts.push(decoder.decode(bytes.subarray(at, at + length)));
    at += length;
  }
  return texts;
}

/** A view would keep all that the bytes came with. */
function ownBuffer(bytes: Uint8Array, from: number, to: number): ArrayBuffer {
  return new Uint8Array(bytes.subarray(from, to)).buffer;
}
