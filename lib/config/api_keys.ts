/**
 * A TMDB key without what sticks to it when it is copied from a page: white space, invisible characters (`\p{Cf}`, such as
 * the zero-width space), and the `Bearer` or `api_key=` that stands before it in examples.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cleanApiKey } from "./api_keys.ts";
 *
 * assert.equal(cleanApiKey("\u200b 0123456789abcdef0123456789abcdef\n"), "0123456789abcdef0123456789abcdef");
 * ```
 */
export function cleanApiKey(text: string): string {
  const visible = text.replaceAll(/\p{Cf}/gu, "").trim();
  return visible.replace(/^(?:bearer\s+|api_key=)/i, "").replaceAll(/\s/g, "");
}

/**
 * Whether `key` can be one of TMDB's: an API key of 32 hex digits, or a read access token, which is a JWT (three base64url parts,
 * the first a JSON object, RFC 7519 §3).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { isApiKey } from "./api_keys.ts";
 *
 * assert.equal(isApiKey("0123456789abcdef0123456789abcdef"), true);
 * assert.equal(isApiKey("eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxIn0.c2lnbmF0dXJl"), true);
 * assert.equal(isApiKey("<your key>"), false);
 * ```
 */
export function isApiKey(key: string): boolean {
  return /^[0-9A-Fa-f]{32}$/.test(key) || /^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(key);
}

/**
 * Whether `key` is a token that TMDB gave to one user: its claims list a scope beside `api_read`. With such a token every client
 * would act as that user.
 */
export function isUserToken(key: string): boolean {
  const payload = key.split(".")[1];
  if (payload === undefined) return false;
  try {
    const { scopes } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    return Array.isArray(scopes) && scopes.some((scope) => scope !== "api_read");
  } catch {
    return false;
  }
}
