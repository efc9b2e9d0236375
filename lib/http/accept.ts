import { parseWeighted, splitList } from "./list.ts";

/** Members of an `Accept` past this many are not read. */
const MAX_RANGES = 64;

/** What an `Accept` field says of media types (RFC 9110 §12.5.1). */
export class Accepted {
  readonly #weights = new Map<string, number>();

  /** `null` is a request without the field. */
  constructor(accept: string | null) {
    for (const member of accept === null ? [] : splitList(accept, MAX_RANGES)) {
      const { text, weight } = parseWeighted(member);
      // Of a type with and without parameters the weight without counts.
      const semicolon = text.indexOf(";");
      const range = semicolon < 0 ? text : text.slice(0, semicolon);
      if (semicolon < 0 || !this.#weights.has(range)) this.#weights.set(range, weight);
    }
  }

  /** Weight of a media type that is named in full; 0 where only a wildcard covers it: that promises no decoder. */
  named(mediaType: string): number {
    return this.#weights.get(mediaType) ?? 0;
  }

  /** Weight of a media type by the most specific range that covers it; 1 where nothing is said at all. */
  weightOf(mediaType: string): number {
    if (this.#weights.size === 0) return 1;
    const top = mediaType.slice(0, mediaType.indexOf("/"));
    return this.#weights.get(mediaType) ?? this.#weights.get(`${top}/*`) ?? this.#weights.get("*/*") ?? 0;
  }
}

/** What clients say, read once: they say the same few things over and over. */
const known = new Map<string, Accepted>();
const MAX_KNOWN = 256;
const MAX_KNOWN_LENGTH = 512;

/**
 * Reads an `Accept` field.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { accepted } from "./accept.ts";
 * const browser = accepted("image/avif,image/webp;q=0.9,*" + "/*;q=0.8");
 * assert.equal(browser.named("image/webp"), 0.9);
 * assert.equal(browser.weightOf("image/jpeg"), 0.8);
 * assert.equal(accepted("*" + "/*").named("image/webp"), 0);
 * ```
 */
export function accepted(accept: string | null): Accepted {
  const text = accept ?? "";
  const before = known.get(text);
  if (before !== undefined) return before;
  const read = new Accepted(accept);
  if (text.length > MAX_KNOWN_LENGTH) return read;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(text, read);
  return read;
}

/** Whether an `Accept` field names a media type in full, and takes it. */
export function namesMediaType(accept: string | null, mediaType: string): boolean {
  return accept !== null && accepted(accept).named(mediaType) > 0;
}
