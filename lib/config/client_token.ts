import { hash } from "node:crypto";

/** Shortest token, in characters: 64 bits where it is hexadecimal. */
export const MIN_TOKEN_LENGTH = 16;
/** Longest token, in characters. */
export const MAX_TOKEN_LENGTH = 256;
/** Different characters that a token has at least; random ones have more. */
const MIN_DIFFERENT = 6;

/**
 * What is wrong with a client's token, as `expected …`; `null` where nothing is. Its characters need no escape in a path, a query
 * or a field (RFC 3986 §2.3).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { tokenProblem } from "./client_token.ts";
 *
 * assert.equal(tokenProblem("5f3c9a1e7b2d4068aa51c0de93b7f642"), null);
 * assert.match(tokenProblem("secret") ?? "", /16 to 256/);
 * assert.match(tokenProblem("12341234123412341234") ?? "", /random/);
 * ```
 */
export function tokenProblem(token: string): string | null {
  const isLong = token.length >= MIN_TOKEN_LENGTH && token.length <= MAX_TOKEN_LENGTH;
  if (!isLong || !/^[A-Za-z0-9._~-]+$/.test(token)) {
    return `a token of ${MIN_TOKEN_LENGTH} to ${MAX_TOKEN_LENGTH} letters, digits, - . _ and ~, ` +
      "such as `openssl rand -hex 16` prints";
  }
  if (new Set(token).size < MIN_DIFFERENT || /^(.+?)\1+$/.test(token)) {
    return "a random token, such as `openssl rand -hex 16` prints: this one is easily guessed";
  }
  return null;
}

/** SHA-256 of a token, in hexadecimal. */
export function tokenHash(token: string): string {
  return hash("sha256", token, "hex");
}
