/**
 * A TMDB key without what sticks to it when it is copied from a page: white space and invisible characters (`\p{Cf}`, such as
 * the zero-width space).
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
  return text.replaceAll(/[\p{Cf}\s]/gu, "");
}

/**
 * Whether `key` can be one of TMDB's: an API key of 32 hex digits, or a read access token, which is a JWT (three base64url parts,
 * RFC 7519 §3).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { isApiKey } from "./api_key.ts";
 *
 * assert.equal(isApiKey("0123456789abcdef0123456789abcdef"), true);
 * assert.equal(isApiKey("eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxIn0.c2lnbmF0dXJl"), true);
 * assert.equal(isApiKey("<your key>"), false);
 * ```
 */
export function isApiKey(key: string): boolean {
  return /^[0-9A-Fa-f]{32}$/.test(key) || /^[\w-]+\.[\w-]+\.[\w-]+$/.test(key);
}
