import type { Fields } from "../http/fields.ts";
import { UpstreamFailure } from "./transport.ts";

/** A field section larger than this is refused. */
export const MAX_HEAD_BYTES = 64 * 1024;

/** As is one of more lines than this. */
export const MAX_FIELD_LINES = 256;

const CR = 13;
const LF = 10;

/** The status line and field section of a response (RFC 9112 §2.1). */
export interface ResponseHead {
  readonly status: number;
  /** The minor version: `HTTP/1.<minor>`. */
  readonly minor: number;
  readonly fields: Fields;
}

/** The failure of a response that breaks the grammar; the upstream has seen the request. */
export function protocolFailure(message: string): UpstreamFailure {
  return new UpstreamFailure("protocol", `Cannot read the response: ${message}`, true);
}

/**
 * Where the field section that begins with `bytes` ends: the index behind its empty line, or -1 when it is not there yet.
 * The first `scannedBytes` have been looked at by an earlier call.
 *
 * @throws {UpstreamFailure} `protocol` on a line feed without carriage return, which RFC 9112 §2.2 only lets us tolerate
 */
export function findHeadEnd(bytes: Uint8Array, scannedBytes: number): number {
  const { length } = bytes;
  for (let at = scannedBytes; at < length; at++) {
    if (bytes[at] !== LF) continue;
    if (bytes[at - 1] !== CR) throw protocolFailure("line feed without carriage return");
    if (bytes[at - 2] === LF) return at + 1;
  }
  return -1;
}

/** An empty reason phrase may come without its space: several servers leave it out. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NOT_FIELD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** Names seen before, as written → in lower case. Bounded: an upstream could invent new ones for ever. */
const knownNames = new Map<string, string>();
const MAX_KNOWN_NAMES = 1024;

function parseName(written: string): string {
  const known = knownNames.get(written);
  if (known !== undefined) return known;
  if (!TOKEN.test(written)) throw protocolFailure("invalid field name");
  const name = written.toLowerCase();
  if (knownNames.size < MAX_KNOWN_NAMES && written.length <= 64) knownNames.set(written, name);
  return name;
}

/** Optional whitespace is space and tab only (RFC 9110 §5.6.3); `trim` would take more away. */
function parseValue(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isWhitespace(text.charCodeAt(start))) start++;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--;
  const value = text.slice(start, end);
  if (NOT_FIELD_VALUE.test(value)) throw protocolFailure("invalid character in a field value");
  return value;
}

function isWhitespace(code: number): boolean {
  return code === 32 || code === 9;
}

function parseStatusLine(line: string): { status: number; minor: number } {
  const match = STATUS_LINE.exec(line);
  if (match === null) throw protocolFailure("invalid status line");
  return { status: Number(match[2]), minor: Number(match[1]) };
}

/**
 * Parses a status line and field section given as Latin-1 text, its closing empty line included (RFC 9112 §4, §5). A line
 * that begins with white space (obs-fold) fails as an invalid field name, as RFC 9112 §5.2 lets us.
 *
 * @throws {UpstreamFailure} `protocol`
 */
export function parseResponseHead(text: string): ResponseHead {
  let lineEnd = text.indexOf("\r\n");
  const { status, minor } = parseStatusLine(text.slice(0, lineEnd));
  const fields: Fields = [];
  for (let at = lineEnd + 2; at < text.length - 2; at = lineEnd + 2) {
    lineEnd = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    if (colon < 0 || colon > lineEnd) throw protocolFailure("field line without a colon");
    if (fields.length === MAX_FIELD_LINES) throw protocolFailure(`more than ${MAX_FIELD_LINES} field lines`);
    fields.push([parseName(text.slice(at, colon)), parseValue(text, colon + 1, lineEnd)]);
  }
  return { status, minor, fields };
}
