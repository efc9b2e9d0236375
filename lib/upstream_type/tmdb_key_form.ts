import { readClaims } from "./_credentials.ts";
import type { KeyForm } from "./upstream_type.ts";

/**
 * The form of TMDB's keys: an API key of 32 hex digits, or a read access token, which is a JWT (three base64url parts, the first a
 * JSON object, RFC 7519 §3).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { tmdbKeyForm } from "./tmdb_key_form.ts";
 *
 * assert.equal(tmdbKeyForm.isKey("0123456789abcdef0123456789abcdef"), true);
 * assert.equal(tmdbKeyForm.isKey("eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxIn0.c2lnbmF0dXJl"), true);
 * assert.equal(tmdbKeyForm.isKey("<your key>"), false);
 * ```
 */
export const tmdbKeyForm: KeyForm = {
  expected: "a TMDB API key (32 hex digits) or a read access token (three parts with dots)",
  isKey: (text) => /^[0-9A-Fa-f]{32}$/.test(text) || /^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(text),
  warning: (key) => isUserToken(key) ? USER_TOKEN : null,
};

const USER_TOKEN = "this token may do more than read: with it every client acts as the user whom it belongs to; " +
  "take the application's read access token";

/** Whether TMDB gave a token to one user: its claims list a scope beside `api_read`. */
function isUserToken(key: string): boolean {
  const scopes = readClaims(key)?.["scopes"];
  return Array.isArray(scopes) && scopes.some((scope) => scope !== "api_read");
}
