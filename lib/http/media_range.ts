import { parseWeighted, splitList } from "./list.ts";

/** Whether a media type, in lower case and without parameters, is in a set. */
export type MediaMatcher = (mediaType: string) => boolean;

/**
 * Compiles media ranges: `image/png`, `image/*`, `*` + `/*`, and suffixes as `application/*+json`. Case does not matter.
 *
 * @throws {TypeError} for a text that is no media range
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { mediaMatcher } from "./media_range.ts";
 * const isPicture = mediaMatcher(["image/*"]);
 * assert.equal(isPicture("image/png"), true);
 * assert.equal(isPicture("text/html"), false);
 * ```
 */
export function mediaMatcher(ranges: readonly string[]): MediaMatcher {
  const exact = new Set<string>();
  const tops = new Set<string>();
  const suffixes: Array<readonly [top: string, end: string]> = [];
  for (const range of ranges) {
    const [top, sub] = splitRange(range);
    if (sub === "*") tops.add(top);
    else if (sub.startsWith("*")) suffixes.push([top, sub.slice(1)]);
    else exact.add(`${top}/${sub}`);
  }
  if (tops.has("*")) return () => true;
  return (mediaType) => {
    if (exact.has(mediaType)) return true;
    const slash = mediaType.indexOf("/");
    if (slash < 0) return false;
    const top = mediaType.slice(0, slash);
    if (tops.has(top)) return true;
    return suffixes.some(([wanted, end]) => (wanted === "*" || wanted === top) && mediaType.endsWith(end));
  };
}

/** An asterisk stands for a whole type, a whole subtype, or all of a subtype before `+` (RFC 9110 §12.5.1, RFC 6838 §4.2.8). */
const RANGE = /^(?:(\*)\/(\*|\*\+[\w!#$&^.+-]+)|([\w!#$&^.+-]+)\/(\*|(?:\*\+)?[\w!#$&^.+-]+))$/;

function splitRange(range: string): [top: string, sub: string] {
  const match = RANGE.exec(range.trim().toLowerCase());
  if (match === null) {
    throw new TypeError(`Cannot use the media range "${range}": it must be type/subtype, type/* or type/*+suffix`);
  }
  return [match[1] ?? match[3]!, match[2] ?? match[4]!];
}

/**
 * The media type of a `Content-Type` value in lower case, without parameters; empty where there is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { mediaTypeOf } from "./media_range.ts";
 * assert.equal(mediaTypeOf("Text/HTML; charset=utf-8"), "text/html");
 * ```
 */
export function mediaTypeOf(contentType: string | null): string {
  if (contentType === null) return "";
  const end = contentType.indexOf(";");
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** Members of an `Accept` past this many are not read. */
const MAX_RANGES = 64;

/** The weights of an `Accept` field (RFC 9110 §12.5.1). */
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

/** Fields that were read before: clients send few different values. */
const known = new Map<string, Accepted>();
const MAX_KNOWN = 256;
const MAX_KNOWN_LENGTH = 512;

/**
 * Reads an `Accept` field.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { accepted } from "./media_range.ts";
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
