/** One field line: its name in lower case and its value (RFC 9110 §5). */
export type Field = [name: string, value: string];

/** Field lines in the order received. A list, not `Headers`: it keeps repeated lines apart and costs nothing to read. */
export type Fields = Field[];

/**
 * The values of every line called `name` (lower case), joined as a list (RFC 9110 §5.3); `null` where there is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { fieldValue } from "./fields.ts";
 * assert.equal(fieldValue([["vary", "accept"], ["age", "3"], ["vary", "cookie"]], "vary"), "accept, cookie");
 * ```
 */
export function fieldValue(fields: Readonly<Fields>, name: string): string | null {
  let joined: string | null = null;
  for (const field of fields) {
    if (field[0] === name) joined = joined === null ? field[1] : `${joined}, ${field[1]}`;
  }
  return joined;
}

/**
 * The first value called `name` (lower case) in a list that has no repeated names; `null` where there is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { singleValue } from "./fields.ts";
 * assert.equal(singleValue([["age", "3"]], "age"), "3");
 * ```
 */
export function singleValue(fields: Readonly<Fields>, name: string): string | null {
  for (let index = 0; index < fields.length; index++) {
    const field = fields[index]!;
    if (field[0] === name) return field[1];
  }
  return null;
}

/** Fields that belong to one connection and are never forwarded (RFC 9110 §7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-authentication-info",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** The names that a `Connection` field declares hop-by-hop beside the known ones, or `null` where it adds none. */
function namedByConnection(connection: string | null): ReadonlySet<string> | null {
  if (connection === null) return null;
  const names = connection.toLowerCase().split(",").map((name) => name.trim()).filter((name) => name !== "");
  const added = names.filter((name) => !HOP_BY_HOP.has(name) && name !== "close");
  return added.length === 0 ? null : new Set(added);
}

/**
 * A copy of `fields` without what belongs to the connection alone: the known hop-by-hop fields and those that
 * `Connection` names (RFC 9110 §7.6.1). `Content-Length` stays: it describes the content.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { endToEndFields } from "./fields.ts";
 * assert.deepEqual(endToEndFields([["te", "trailers"], ["x-hop", "1"], ["accept", "*" + "/*"]], "x-hop"), [["accept", "*" + "/*"]]);
 * ```
 */
export function endToEndFields(fields: Iterable<Field>, connection: string | null): Fields {
  const named = namedByConnection(connection);
  const kept: Fields = [];
  for (const field of fields) {
    if (HOP_BY_HOP.has(field[0]) || named?.has(field[0])) continue;
    kept.push(field);
  }
  return kept;
}
