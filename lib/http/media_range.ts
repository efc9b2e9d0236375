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
