import { createHash } from "node:crypto";
import { KEY_SEPARATOR } from "../cache/key.ts";

/** Cookies past this many characters are not taken apart: no honest client sends as much. */
const MAX_COOKIE_LENGTH = 16_384;

/**
 * What the values of some cookies add to a cache key: nothing where no cookie counts, else a hash, since a key must not tell a secret.
 * Requests without any of them share one key.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cookieKey } from "./cookie_key.ts";
 * const key = (cookie: string | null) => cookieKey(["lang", "region"], () => cookie);
 * assert.equal(key("a=1; lang=de"), key("lang=de; a=2"));
 * assert.notEqual(key("lang=de"), key("lang=fr"));
 * assert.notEqual(key("lang=de"), key("region=de"));
 * assert.equal(cookieKey([], () => "lang=de"), "");
 * ```
 */
export function cookieKey(names: readonly string[], cookie: () => string | null): string {
  if (names.length === 0) return "";
  const values = cookieValues((cookie() ?? "").slice(0, MAX_COOKIE_LENGTH));
  const text = names.map((name) => `${name}=${values.get(name) ?? ""}`).join("\n");
  return `${KEY_SEPARATOR}~cookie:${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

/** The first value of each name (RFC 6265 §4.2.1). */
function cookieValues(cookie: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const pair of cookie.split(";")) {
    const equals = pair.indexOf("=");
    const name = (equals < 0 ? pair : pair.slice(0, equals)).trim();
    if (!values.has(name)) values.set(name, equals < 0 ? "" : pair.slice(equals + 1).trim());
  }
  return values;
}
