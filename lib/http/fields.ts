import { Buffer } from "node:buffer";

/** One field line: its name in lower case and its value (RFC 9110 §5). */
export type Field = [name: string, value: string];

/** Field lines in the order received. A list, not `Headers`: it keeps repeated lines apart and costs nothing to read. */
export type Fields = Field[];

/** Status and fields of a response (RFC 9110 §6.2, §6.3). */
export interface ResponseHead {
  readonly status: number;
  readonly fields: Readonly<Fields>;
}

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

/** A field name (RFC 9110 §5.1), in lower case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Characters that a value must not have, or that are no octet: written as Latin-1, some would become line ends. */
const NOT_IN_VALUE = /[\0\r\n\u0100-\uffff]/g;

const encoder = new TextEncoder();

/**
 * Field lines as they stand in a message, each `name: value\r\n`, in an array that fills its buffer (RFC 9112 §5). A line end, a NUL
 * or a character beyond Latin-1 in a value becomes a space (RFC 9110 §5.5); a field whose name is none is left out.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { encodeFieldLines, latin1Text } from "./fields.ts";
 * assert.equal(latin1Text(encodeFieldLines([["etag", '"1"'], ["x", "a\nb"]])), 'etag: "1"\r\nx: a b\r\n');
 * ```
 */
export function encodeFieldLines(fields: Readonly<Fields>): Uint8Array<ArrayBuffer> {
  let lines = "";
  for (const [name, value] of fields) {
    if (NAME.test(name)) lines += `${name}: ${value.replace(NOT_IN_VALUE, " ")}\r\n`;
  }
  const bytes = new Uint8Array(lines.length);
  // For ASCII this is the quickest way by far, and it stops short where the text is not.
  const { read } = encoder.encodeInto(lines, bytes);
  if (read < lines.length) { for (let at = 0; at < lines.length; at++) bytes[at] = lines.charCodeAt(at); }
  return bytes;
}

/** Bytes as text of Latin-1 characters, one for each: no decoder of the runtime's does that. */
export function latin1Text(bytes: Uint8Array): string {
  return Buffer.prototype.latin1Slice.call(bytes, 0, bytes.byteLength);
}

/**
 * The values of every line called `name` (lower case) in the text of field lines, joined as a list (RFC 9110 §5.3); `null` where there
 * is none. Makes no list of the others.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { fieldIn } from "./fields.ts";
 * assert.equal(fieldIn("vary: accept\r\nage: 3\r\nvary: cookie\r\n", "vary"), "accept, cookie");
 * assert.equal(fieldIn("x-vary: accept\r\n", "vary"), null);
 * ```
 */
export function fieldIn(lines: string, name: string): string | null {
  const start = `${name}: `;
  let joined: string | null = null;
  for (let at = lineAt(lines, start, 0); at >= 0;) {
    const end = lines.indexOf("\r\n", at);
    const value = lines.slice(at + start.length, end);
    joined = joined === null ? value : `${joined}, ${value}`;
    at = lineAt(lines, start, end + 2);
  }
  return joined;
}

/** Where the next line begins that starts so, at `from` or behind; -1 where there is none. */
function lineAt(lines: string, start: string, from: number): number {
  if (lines.startsWith(start, from)) return from;
  const before = lines.indexOf(`\n${start}`, from);
  return before < 0 ? -1 : before + 1;
}

/** The text of field lines as a list; what is no line as {@linkcode encodeFieldLines} writes them is left out. */
export function fieldsIn(lines: string): Fields {
  const fields: Fields = [];
  for (let at = 0, end = lines.indexOf("\r\n"); end >= 0; at = end + 2, end = lines.indexOf("\r\n", at)) {
    const colon = lines.indexOf(": ", at);
    if (colon >= 0 && colon < end) fields.push([lines.slice(at, colon), lines.slice(colon + 2, end)]);
  }
  return fields;
}
