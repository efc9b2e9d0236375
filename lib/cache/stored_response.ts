import { Buffer } from "node:buffer";
import { encodeFieldLines, fieldIn, type Fields, fieldsIn, latin1Text } from "../http/fields.ts";

/** How long a stored response may be used, fixed when it was stored (RFC 9111 §4.2, RFC 5861). */
export interface Freshness {
  /** Corrected initial age at `responseTimeMs`, in milliseconds (RFC 9111 §4.2.3). */
  readonly initialAgeMs: number;
  /** Freshness lifetime in milliseconds; 0 asks for validation on each use. */
  readonly lifetimeMs: number;
  /** After the lifetime: how long it may be served while being revalidated. */
  readonly staleWhileRevalidateMs: number;
  /** After the lifetime: how long it may be served when the upstream fails. */
  readonly staleIfErrorMs: number;
  /** Never to be served stale (`must-revalidate`, `proxy-revalidate`, `no-cache`, `s-maxage`). */
  readonly mustRevalidate: boolean;
  /** Validate on every use, however fresh (`no-cache`). */
  readonly alwaysValidate: boolean;
}

/** Which tiers a response may be kept in. */
export interface Tiers {
  readonly memory: boolean;
  readonly disk: boolean;
  /**
   * In the tier that gateways share, where there is one.
   * @default false
   */
  readonly shared?: boolean;
}

/** Where a stored response was found. */
export type Tier = "memory" | "disk" | "shared";

/** The kind of an entry of the store. Only `response` and `part` have a status and fields that are sent. */
export type StoredKind =
  /** A response to a `GET`, whole. */
  | "response"
  /** Names the request fields that select one of several responses; see `varyMarker`. */
  | "marker"
  /** One range of a response that is not held whole. */
  | "part"
  /** Notes of the gateway's own; its body is their text. */
  | "index";

/** The facts of an entry beside its fields and its body. */
export interface StoredFacts {
  readonly key: string;
  /** @default "response" */
  readonly kind?: StoredKind;
  /** 0 where the kind has none. */
  readonly status: number;
  /** Local clock when the request was sent and when its response came (RFC 9111 §4.2.3). */
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  readonly freshness: Freshness;
  /**
   * Names (lower case) and normalised values of the request fields that selected it, by its `Vary`; empty where it has none.
   * A value of `null` says that the request had no such field (RFC 9111 §4.1).
   */
  readonly selectedBy: ReadonlyArray<readonly [name: string, value: string | null]>;
  /** Purge tags, sorted. */
  readonly tags: readonly string[];
  /** Tiers it may stay in. */
  readonly tiers: Tiers;
  /**
   * The origin's own entity tag where clients get another, empty where the origin gave none; `null` where clients get the origin's.
   * @default null
   */
  readonly originTag?: string | null;
  /**
   * Its dates say nothing of its content, because the gateway changed that.
   * @default false
   */
  readonly isUndated?: boolean;
  /**
   * It was purged softly, or found to have changed: the lifetimes that its fields state hold no more.
   * @default false
   */
  readonly isPurged?: boolean;
  /**
   * The position of the newest purge that was in force where its request was sent, when it was sent; see {@linkcode PurgeRule.position}. 0
   * where an earlier version stored it: it is held against purges by its time.
   * @default 0
   */
  readonly purgePosition?: number;
}

/** Input of {@linkcode StoredHead.of}. */
export interface HeadParts extends StoredFacts {
  /** End-to-end fields, `date` included, without `age`; a `content-length` is left out, since `lengthBytes` says it. */
  readonly fields: Readonly<Fields>;
  /**
   * Length of the content; `null` where it is not known yet.
   * @default null
   */
  readonly lengthBytes?: number | null;
}

/** Input of {@linkcode storedResponse}. */
export interface StoredParts extends Omit<HeadParts, "lengthBytes"> {
  readonly body: Uint8Array<ArrayBuffer>;
}

const NO_TEXTS: readonly never[] = Object.freeze([]);

/**
 * A response that is being stored: all of it but its body. Immutable. Its fields are held as the bytes that are sent; there is no list of
 * them.
 */
export class StoredHead implements StoredFacts {
  readonly key: string;
  readonly kind: StoredKind;
  readonly status: number;
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  readonly freshness: Freshness;
  readonly selectedBy: StoredFacts["selectedBy"];
  readonly tags: readonly string[];
  readonly tiers: Required<Tiers>;
  readonly originTag: string | null;
  readonly isUndated: boolean;
  readonly isPurged: boolean;
  readonly purgePosition: number;
  /** Length of the content; `null` where it is not known yet. */
  readonly lengthBytes: number | null;
  /** The memory of the record, its head first. Views of it are made when they are asked for: one that is kept costs 100 bytes. */
  readonly memory: ArrayBuffer;
  /** Length of the head in {@linkcode memory}. */
  readonly headBytes: number;

  /** Of a head in the bytes of {@linkcode head}; use {@linkcode StoredHead.of} where there are fields. */
  constructor(facts: StoredFacts & Pick<HeadParts, "lengthBytes">, memory: ArrayBuffer, headBytes: number) {
    this.key = facts.key;
    this.kind = facts.kind ?? "response";
    this.status = facts.status;
    this.requestTimeMs = facts.requestTimeMs;
    this.responseTimeMs = facts.responseTimeMs;
    this.freshness = facts.freshness;
    this.selectedBy = facts.selectedBy.length === 0 ? NO_TEXTS : facts.selectedBy;
    this.tags = facts.tags.length === 0 ? NO_TEXTS : facts.tags;
    this.tiers = tiersOf(facts.tiers);
    this.originTag = facts.originTag ?? null;
    this.isUndated = facts.isUndated ?? false;
    this.isPurged = facts.isPurged ?? false;
    this.purgePosition = facts.purgePosition ?? 0;
    this.lengthBytes = facts.lengthBytes ?? null;
    this.memory = memory;
    this.headBytes = headBytes;
  }

  /** The head of these parts. */
  static of(parts: HeadParts): StoredHead {
    const head = headOf(parts.fields);
    return new StoredHead(ownTexts(parts), head.buffer, head.byteLength);
  }

  /**
   * The field lines as they are sent: `name: value\r\n` each, names in lower case, Latin-1, with the origin's `Date` and without `Age`,
   * `Content-Length` and the gateway's own `Cache-Status` and `X-Request-Id`. A view; it must not be changed.
   */
  get head(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory, 0, this.headBytes);
  }

  /** The values of a field by its lower-case name, joined; `null` where there is none. Makes no list. */
  field(name: string): string | null {
    if (name === "content-length") return this.#saysLength ? String(this.lengthBytes) : null;
    return fieldIn(latin1Text(this.head), name);
  }

  /**
   * All fields, `content-length` included where the status allows content and the length is known (RFC 9110 §8.6). A new list
   * each time, which takes about a microsecond: for single fields ask {@linkcode field}.
   */
  get fields(): Fields {
    const fields = fieldsIn(latin1Text(this.head));
    if (this.#saysLength) fields.push(["content-length", String(this.lengthBytes)]);
    return fields;
  }

  /** The same with some parts changed. */
  with(changes: Partial<HeadParts>): StoredHead {
    const { fields, ...facts } = changes;
    const { buffer, byteLength } = fields === undefined ? ownHead(this) : headOf(fields);
    return new StoredHead({ ...this, ...facts }, buffer, byteLength);
  }

  /** The whole response, as it is to be stored: a small body is copied, so that head and body are one piece of memory. */
  withBody(body: Uint8Array<ArrayBuffer>): StoredResponse {
    return inOnePiece(this, this.head, body);
  }

  get #saysLength(): boolean {
    return this.lengthBytes !== null && this.status !== 204 && (this.kind === "response" || this.kind === "part");
  }
}

/**
 * One response as it is kept: complete, immutable, ready to serve. The body is bounded by `cache.max_entry`, so it is one array.
 */
export class StoredResponse extends StoredHead {
  /** The body where it lies elsewhere: a large one, or one that is shared; `null` where it follows the head in {@linkcode memory}. */
  readonly apart: Uint8Array<ArrayBuffer> | null;

  /** Of bytes that are laid out already: the body is `apart`, or else what follows the head in `memory`. */
  constructor(facts: StoredFacts, memory: ArrayBuffer, headBytes: number, apart: Uint8Array<ArrayBuffer> | null) {
    const lengthBytes = apart === null ? memory.byteLength - headBytes : apart.byteLength;
    super({ ...facts, lengthBytes }, memory, headBytes);
    this.apart = apart;
  }

  /** The content. A view; it must not be changed. */
  get body(): Uint8Array<ArrayBuffer> {
    return this.apart ?? new Uint8Array(this.memory, this.headBytes);
  }

  /** The same with some parts changed. What is not changed is shared, and so is a body that is given. */
  override with(changes: Partial<StoredParts>): StoredResponse {
    const { fields, body, ...facts } = changes;
    const all = { ...this, ...facts };
    if (fields === undefined && body === undefined) {
      return new StoredResponse(all, this.memory, this.headBytes, this.apart);
    }
    const { buffer, byteLength } = fields === undefined ? ownHead(this) : headOf(fields);
    return new StoredResponse(all, buffer, byteLength, body ?? this.body);
  }

  override withBody(body: Uint8Array<ArrayBuffer>): StoredResponse {
    return isSameView(body, this.body) ? this : super.withBody(body);
  }

  /** A copy in its own memory, to be kept: a view would keep the whole buffer behind it, uncounted. */
  owned(): StoredResponse {
    const { apart } = this;
    if (apart === null || apart.byteLength > APART_BYTES && apart === filling(apart)) return this;
    return inOnePiece(this, this.head, apart);
  }
}

/** A stored response of its parts. */
export function storedResponse(parts: StoredParts): StoredResponse {
  return inOnePiece(ownTexts(parts), headOf(parts.fields), parts.body);
}

/** Larger bodies stay where they are: the memory that is saved by one buffer less is not worth the copy. */
const APART_BYTES = 16 * 1024;

function inOnePiece(facts: StoredFacts, head: Uint8Array<ArrayBuffer>, body: Uint8Array<ArrayBuffer>): StoredResponse {
  const headBytes = head.byteLength;
  if (body.byteLength > APART_BYTES) return new StoredResponse(facts, filling(head).buffer, headBytes, filling(body));
  const memory = new Uint8Array(headBytes + body.byteLength);
  memory.set(head);
  memory.set(body, headBytes);
  return new StoredResponse(facts, memory.buffer, headBytes, null);
}

function headOf(fields: Readonly<Fields>): Uint8Array<ArrayBuffer> {
  return encodeFieldLines(fields.filter(([name]) => name !== "content-length"));
}

function ownHead(stored: StoredHead): Uint8Array<ArrayBuffer> {
  return filling(stored.head);
}

/** The bytes in a buffer that holds nothing else. */
function filling(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

function isSameView(a: Uint8Array, b: Uint8Array): boolean {
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.byteLength === b.byteLength;
}

const TIERS: readonly Required<Tiers>[] = Array.from(
  { length: 8 },
  (_, bits) => Object.freeze({ memory: (bits & 1) !== 0, disk: (bits & 2) !== 0, shared: (bits & 4) !== 0 }),
);

/** One object for all that may stay in the same tiers. */
function tiersOf({ memory, disk, shared }: Tiers): Required<Tiers> {
  return TIERS[(memory ? 1 : 0) | (disk ? 2 : 0) | (shared === true ? 4 : 0)]!;
}

/** Texts that are part of a message's head would keep all of it in memory. */
function ownTexts<T extends StoredFacts>(facts: T): T {
  return {
    ...facts,
    key: ownText(facts.key),
    selectedBy: facts.selectedBy.map(([name, value]) => [ownText(name), value === null ? null : ownText(value)]),
    tags: facts.tags.map(ownText),
    originTag: facts.originTag == null ? null : ownText(facts.originTag),
  };
}

function ownText(text: string): string {
  return Buffer.from(text).toString();
}

/**
 * Memory that an entry takes beside its bytes and texts, measured over 100,000 entries of a kilobyte: some 500 bytes of objects, its place in the
 * memory tier included, and 250 that the runtime keeps for a buffer.
 */
const FLAT_BYTES = 740;
/** The same of a text in a list. */
const TEXT_BYTES = 48;

/** Bytes that a stored response is counted with in memory: body, head, key, tags and a flat share for the objects around them. */
export function heldBytes(stored: StoredResponse): number {
  let bytes = FLAT_BYTES + stored.headBytes + (stored.lengthBytes ?? 0) + stored.key.length;
  for (const tag of stored.tags) bytes += TEXT_BYTES + tag.length;
  for (const [name, value] of stored.selectedBy) bytes += 3 * TEXT_BYTES + name.length + (value?.length ?? 0);
  return bytes;
}
