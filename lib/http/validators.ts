import { type Fields, fieldValue } from "./fields.ts";
import { parseHttpDate } from "./http_date.ts";
import { splitList, trimSpace } from "./list.ts";

/** Members of an `If-None-Match` past this many are not compared. */
const MAX_TAGS = 128;

const ENTITY_TAG = /^(W\/)?"([\x21\x23-\x7e\x80-\uffff]*)"$/;

/**
 * Whether two entity tags are the same for a use that must not tell apart what is only semantically equal
 * (weak comparison, RFC 9110 §8.8.3.2). A malformed tag equals only its exact copy: some origins send no quotes.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { weakMatch } from "./validators.ts";
 * assert.equal(weakMatch('W/"1"', '"1"'), true);
 * assert.equal(weakMatch('"1"', '"2"'), false);
 * ```
 */
export function weakMatch(left: string, right: string): boolean {
  if (left === right) return left !== "";
  const a = ENTITY_TAG.exec(left);
  const b = ENTITY_TAG.exec(right);
  return a !== null && b !== null && a[2] === b[2];
}

/**
 * Whether two entity tags name the same bytes (strong comparison, RFC 9110 §8.8.3.2): both well formed, neither weak.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { strongMatch } from "./validators.ts";
 * assert.equal(strongMatch('"1"', '"1"'), true);
 * assert.equal(strongMatch('W/"1"', 'W/"1"'), false);
 * ```
 */
export function strongMatch(left: string, right: string): boolean {
  return left === right && isStrongTag(left);
}

/** Whether a text is a well-formed entity tag without `W/` (RFC 9110 §8.8.3). */
export function isStrongTag(text: string): boolean {
  return !text.startsWith("W/") && ENTITY_TAG.test(text);
}

/**
 * Whether a list of `If-Match` or `If-None-Match` has a tag that equals `etag`; `*` equals all
 * (RFC 9110 §13.1.1, §13.1.2).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { listMatches, weakMatch } from "./validators.ts";
 * assert.equal(listMatches('"0", W/"1"', '"1"', weakMatch), true);
 * assert.equal(listMatches("*", null, weakMatch), true);
 * ```
 */
export function listMatches(
  list: string,
  etag: string | null,
  match: (left: string, right: string) => boolean,
): boolean {
  if (trimSpace(list) === "*") return true;
  if (etag === null) return false;
  return splitList(list, MAX_TAGS).some((member) => match(member, etag));
}

/** The validators of a response (RFC 9110 §8.8). */
export interface Validators {
  readonly etag: string | null;
  /** As received, for `If-Modified-Since`. */
  readonly lastModified: string | null;
}

/** The validators in `fields`; a `Last-Modified` that is no date is none. */
export function validatorsOf(fields: Readonly<Fields>): Validators {
  const lastModified = fieldValue(fields, "last-modified");
  // The time only decides the century of two-digit years, not whether it is a date.
  const usable = lastModified !== null && parseHttpDate(lastModified, 0) !== null;
  return { etag: fieldValue(fields, "etag") || null, lastModified: usable ? lastModified : null };
}
