import { createHash } from "node:crypto";
import { KEY_SEPARATOR } from "../cache/key.ts";

/**
 * What the values of some request fields add to a cache key: nothing where the request has none of them, else a hash, since a key must not
 * tell a secret. `names` are in lower case and sorted.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { fieldsKey } from "./fields_key.ts";
 * const key = (fields: Record<string, string>) => fieldsKey(["x-forwarded-ssl", "x-host"], (name) => fields[name] ?? null);
 * assert.equal(key({ accept: "text/html" }), "");
 * assert.notEqual(key({ "x-host": "a" }), key({ "x-host": "b" }));
 * assert.notEqual(key({ "x-host": "a" }), key({ "x-forwarded-ssl": "a" }));
 * assert.notEqual(key({ "x-host": "" }), "");
 * ```
 */
export function fieldsKey(names: readonly string[], header: (name: string) => string | null): string {
  let text = "";
  for (const name of names) {
    const value = header(name);
    if (value !== null) text += `${name}:${value}\n`;
  }
  if (text === "") return "";
  return `${KEY_SEPARATOR}~fields:${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}
