import { KEY_SEPARATOR } from "../key.ts";
import type { StoredHead } from "../stored_response.ts";

const SLOTS = 32_768;
const SLOT_BYTES = BigInt64Array.BYTES_PER_ELEMENT;

/** The slots that have changed so far, a bit each. */
const KEYS = 1;
const TAGS = 2;

/** The facts of a response that may have changed. */
export type Invalidated = Pick<StoredHead, "key" | "tags" | "requestTimeMs">;

/** Bytes of shared memory that an invalidation table takes. */
export const INVALIDATION_BYTES = (SLOTS + 1) * SLOT_BYTES;

/**
 * When unsafe requests last changed what targets stand for, in memory that all workers share: from then on none of them serves or
 * stores what was asked for before (RFC 9111 §4.4). Targets are told apart by a hash; two that share a slot cost a fetch, no more.
 */
export class InvalidationTable {
  readonly #slots: BigInt64Array;
  /** Which kinds of changes there were, in the first slot: read on every hit, so a plain number. */
  readonly #changes: Int32Array;
  readonly #places = new WeakMap<Invalidated, readonly number[]>();

  /** `byteOffset` is where in `memory` the table lies; a multiple of 8. */
  constructor(memory: SharedArrayBuffer, byteOffset: number) {
    this.#slots = new BigInt64Array(memory, byteOffset, SLOTS + 1);
    this.#changes = new Int32Array(memory, byteOffset, 1);
  }

  /** Notes that what a key's target stands for has changed, in milliseconds since the Unix epoch. */
  add(key: string, nowMs: number): void {
    Atomics.store(this.#slots, slotOf(key), BigInt(Math.ceil(nowMs)));
    Atomics.or(this.#changes, 0, KEYS);
  }

  /** Notes that what has a purge tag has changed, on every listener of an upstream type. */
  addTag(type: string, tag: string, nowMs: number): void {
    Atomics.store(this.#slots, slotOf(tagKey(type, tag)), BigInt(Math.ceil(nowMs)));
    Atomics.or(this.#changes, 0, KEYS | TAGS);
  }

  /**
   * Whether a response has changed since it was asked for, by its key or by one of its tags; `type` is `null` for one whose tags nobody
   * notes.
   */
  concerns(stored: Invalidated, type: string | null): boolean {
    const changes = Atomics.load(this.#changes, 0);
    if (changes === 0) return false;
    const places = this.#placesOf(stored, type);
    const end = (changes & TAGS) === 0 ? 1 : places.length;
    for (let at = 0; at < end; at++) {
      if (stored.requestTimeMs < Number(Atomics.load(this.#slots, places[at]!))) return true;
    }
    return false;
  }

  /** The slots of a response's key and of its tags. Worked out once, for the type of its listener: hits ask for them. */
  #placesOf(stored: Invalidated, type: string | null): readonly number[] {
    const known = this.#places.get(stored);
    if (known !== undefined) return known;
    const tags = type === null ? [] : stored.tags.map((tag) => slotOf(tagKey(type, tag)));
    const places = [slotOf(stored.key), ...tags];
    this.#places.set(stored, places);
    return places;
  }

  /** Whether that came after `requestTimeMs`, when an upstream was asked. While there was no change at all, it costs one read. */
  since(key: string, requestTimeMs: number): boolean {
    if (Atomics.load(this.#changes, 0) === 0) return false;
    return requestTimeMs < Number(Atomics.load(this.#slots, slotOf(key)));
  }
}

/** Listener, host and target decide, not what stands behind them: an unsafe request concerns all variants. */
function slotOf(key: string): number {
  let hash = 0x811c9dc5;
  let separators = 0;
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    if (unit === SEPARATOR && ++separators === 3) break;
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return 1 + ((hash ^ (hash >>> 15)) & (SLOTS - 1));
}

/** No listener's key: behind the type stands what is no host. */
function tagKey(type: string, tag: string): string {
  return `${type}${KEY_SEPARATOR}~tag${KEY_SEPARATOR}${tag}`;
}

const SEPARATOR = KEY_SEPARATOR.charCodeAt(0);
