import { type Fields, fieldValue } from "../../http/fields.ts";

/** Tags of one response, at most, and characters of one tag, at most: an origin does not decide how big the index gets. */
const MAX_TAGS = 128;
const MAX_TAG_LENGTH = 256;

/**
 * Tags that an origin gives a response for purging: `Surrogate-Key` (by spaces) and `Cache-Tag` (by commas), sorted, each once.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { purgeTags } from "./purge_tags.ts";
 * assert.deepEqual(purgeTags([["surrogate-key", "b a"], ["cache-tag", "movie:550, a"]]), ["a", "b", "movie:550"]);
 * ```
 */
export function purgeTags(fields: Readonly<Fields>): readonly string[] {
  const keys = fieldValue(fields, "surrogate-key")?.split(/[\s,]+/) ?? [];
  const tags = fieldValue(fields, "cache-tag")?.split(",") ?? [];
  const found = new Set<string>();
  for (const text of [...keys, ...tags]) {
    const tag = text.trim();
    if (tag !== "" && tag.length <= MAX_TAG_LENGTH) found.add(tag);
    if (found.size >= MAX_TAGS) break;
  }
  return [...found].sort();
}
