import type { Fields } from "../http/fields.ts";
import { COLON, CR, LF, OCTET_CLASSES, SPACE, TAB, TOKEN_OCTET, VALUE_OCTET } from "./octets.ts";
import { WireError } from "./wire_error.ts";

const UPPER_A = 65;
const UPPER_Z = 90;
/** The bit that tells a lower-case letter from its upper case. */
const LOWER_BIT = 32;

/** Names seen lately, in lower case, each in the one slot that its letters give. A peer that invents names only has them made anew. */
const knownNames: string[] = new Array(512).fill("");

/** `text[start, end)`, a name, in lower case. */
function lowerName(text: string, start: number, end: number): string {
  const length = end - start;
  const slot = (length * 37 + (text.charCodeAt(start) | LOWER_BIT) * 5 + (text.charCodeAt(end - 1) | LOWER_BIT)) & 511;
  const known = knownNames[slot]!;
  if (known.length === length && isName(known, text, start)) return known;
  // A new text: a slice would keep the whole head in memory for as long as the slot lives.
  return knownNames[slot] = ` ${text.slice(start, end)}`.toLowerCase().slice(1);
}

/** Whether `text` has `name` (lower case) at `start`, in upper or lower case. */
function isName(name: string, text: string, start: number): boolean {
  for (let at = 0; at < name.length; at++) {
    const wanted = name.charCodeAt(at);
    const code = text.charCodeAt(start + at);
    if (code !== wanted && (code < UPPER_A || code > UPPER_Z || (code | LOWER_BIT) !== wanted)) return false;
  }
  return true;
}

/**
 * The field lines of one message, as positions in the text of its head: values are cut out on demand. It does not depend on the buffer
 * that the head was read into.
 */
export class FieldBlock {
  /** Latin-1 text that holds the field section. */
  readonly #text: string;
  /** Start of the first name, then for each line the key of its name and the start of the next line. */
  readonly #marks: readonly number[];
  /** A bit for each length of a name modulo 32: it rules out most absent names. */
  readonly #lengths: number;

  /** For {@linkcode parseFieldBlock}; the lines have been checked. */
  constructor(text: string, marks: readonly number[], lengths: number) {
    this.#text = text;
    this.#marks = marks;
    this.#lengths = lengths;
  }

  /** Number of lines. */
  get count(): number {
    return (this.#marks.length - 1) >> 1;
  }

  /**
   * The values of every line called `name` (lower case), joined as a list (RFC 9110 §5.3); `null` where there is none. Lines of
   * `cookie` are joined by semicolons, since its value is no list of that kind (RFC 9113 §8.2.3).
   */
  header(name: string): string | null {
    let line = this.find(name, 0);
    if (line < 0) return null;
    let joined = this.valueOf(line);
    for (line = this.find(name, line + 1); line >= 0; line = this.find(name, line + 1)) {
      joined = `${joined}${name === "cookie" ? "; " : ", "}${this.valueOf(line)}`;
    }
    return joined;
  }

  /** The first line called `name` (lower case) from line `from` on; -1 where there is none. */
  find(name: string, from: number): number {
    const { length } = name;
    if ((this.#lengths >>> (length & 31) & 1) === 0) return -1;
    const key = nameKey(length, name.charCodeAt(0));
    const marks = this.#marks;
    for (let mark = 2 * from + 1; mark < marks.length; mark += 2) {
      if (marks[mark] === key && isName(name, this.#text, marks[mark - 1]!)) return mark >> 1;
    }
    return -1;
  }

  /** The value of a line, without the white space around it: space and tab only (RFC 9110 §5.6.3). */
  valueOf(line: number): string {
    const text = this.#text;
    let start = this.valueStart(line);
    let end = this.lineEnd(line);
    while (start < end && isWhiteSpace(text.charCodeAt(start))) start++;
    while (end > start && isWhiteSpace(text.charCodeAt(end - 1))) end--;
    return text.slice(start, end);
  }

  /** Index behind the colon of a line. */
  valueStart(line: number): number {
    const mark = 2 * line;
    return this.#marks[mark]! + keyLength(this.#marks[mark + 1]!) + 1;
  }

  /** Index of the CRLF of a line. */
  lineEnd(line: number): number {
    return this.#marks[2 * line + 2]! - 2;
  }

  /** Every line in the order received, names in lower case, repeated lines apart. Made anew on each call. */
  list(): Fields {
    const text = this.#text;
    const marks = this.#marks;
    const { count } = this;
    const fields: Fields = [];
    for (let line = 0; line < count; line++) {
      const start = marks[2 * line]!;
      const name = lowerName(text, start, start + keyLength(marks[2 * line + 1]!));
      fields.push([name, this.valueOf(line)]);
    }
    return fields;
  }
}

/** Length and first letter of a name, upper or lower case alike: nearly always enough to tell the names of one message apart. */
function nameKey(length: number, first: number): number {
  return length << 8 | first | LOWER_BIT;
}

function keyLength(key: number): number {
  return key >> 8;
}

function isWhiteSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** A field section and where it lies. */
export interface FieldSection {
  /** Holds the section's bytes. */
  readonly bytes: Uint8Array;
  /** First byte of the first line. */
  readonly start: number;
  /** Behind the last line's CRLF; the empty line that closes the section is not part of it. */
  readonly end: number;
  /** Latin-1 text of some bytes that end with the section or behind it. */
  readonly text: string;
  /** Byte at which `text` begins. */
  readonly textStart: number;
}

/**
 * Reads the lines of a field section (RFC 9112 §5). Refused are a name that is no token, white space before the colon or at the
 * start of a line (obs-fold), a line end that is not CRLF, and any control character in a value.
 *
 * @throws {WireError} 400; 431 where there are more than `maxFields` lines
 */
export function parseFieldBlock(section: FieldSection, maxFields: number): FieldBlock {
  const { bytes, end, text, textStart } = section;
  let at = section.start;
  const marks = [at - textStart];
  let lengths = 0;
  for (let count = 0; at < end; count++) {
    if (count === maxFields) throw new WireError(431, `More than ${maxFields} field lines`);
    const nameStart = at;
    while ((OCTET_CLASSES[bytes[at]!]! & TOKEN_OCTET) !== 0) at++;
    if (bytes[at] !== COLON || at === nameStart) throw invalidName(bytes, nameStart, at);
    lengths |= 1 << ((at - nameStart) & 31);
    marks.push(nameKey(at - nameStart, bytes[nameStart]!));
    at++;
    while ((OCTET_CLASSES[bytes[at]!]! & VALUE_OCTET) !== 0) at++;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) throw invalidValue(bytes, at);
    at += 2;
    marks.push(at - textStart);
  }
  return new FieldBlock(text, marks, lengths);
}

function invalidName(bytes: Uint8Array, start: number, at: number): WireError {
  const byte = bytes[at];
  if (byte === LF) return new WireError(400, "Line feed without carriage return");
  if (byte === COLON) return new WireError(400, "Field line without a name");
  if (byte === CR) return new WireError(400, "Field line without a colon");
  if (byte !== SPACE && byte !== TAB) return new WireError(400, "Invalid character in a field name");
  return new WireError(400, at === start ? "Folded field line" : "White space in a field name or before its colon");
}

function invalidValue(bytes: Uint8Array, at: number): WireError {
  const byte = bytes[at];
  if (byte === LF) return new WireError(400, "Line feed without carriage return");
  if (byte === CR) return new WireError(400, "Carriage return without line feed");
  return new WireError(400, "Invalid character in a field value");
}

/**
 * Fields that frame or route a message, modify the request, authenticate, or tell how to process content or response: a recipient
 * has to have them before the content (RFC 9110 §6.5.1).
 */
const NEVER_TRAILERS: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "cache-control",
  "connection",
  "cookie",
  "date",
  "expect",
  "expires",
  "forwarded",
  "host",
  "keep-alive",
  "location",
  "max-forwards",
  "pragma",
  "range",
  "retry-after",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
  "via",
  "warning",
  "www-authenticate",
]);

/** Beginnings of names that are all of that kind. */
const NEVER_BEGINNINGS = ["content-", "if-", "proxy-", "x-forwarded-"] as const;

/** Whether a field (lower case) may be taken from a trailer section, or sent in one. */
export function isTrailer(name: string): boolean {
  return !NEVER_TRAILERS.has(name) && !NEVER_BEGINNINGS.some((beginning) => name.startsWith(beginning));
}
