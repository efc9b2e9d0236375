/**
 * A TMDB key without what sticks to it when it is copied from a page: white space, invisible characters (`\p{Cf}`, such as
 * the zero-width space), and the `Bearer` or `api_key=` that stands before it in examples.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cleanApiKey } from "./api_key.ts";
 *
 * assert.equal(cleanApiKey("\u200b 0123456789abcdef0123456789abcdef\n"), "0123456789abcdef0123456789abcdef");
 * ```
 */
export function cleanApiKey(text: string): string {
  const visible = text.replaceAll(/\p{Cf}/gu, "").trim();
  return visible.replace(/^(?:bearer\s+|api_key=)/i, "").replaceAll(/\s/g, "");
}
