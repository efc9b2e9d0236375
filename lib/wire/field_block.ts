import type { Fields } from "../http/fields.ts";
import { COLON, CR, LF, OCTET_CLASSES, SPACE, TAB, TOKEN_OCTET, VALUE_OCTET } from "./octets.ts";
import { WireError } from "./wire_error.ts";

const UPPER_A = 65;
const UPPER_Z = 90;
/** The bit that tells a lower-case letter from its upper case. */
const LOWER_BIT = 32;

/** Names seen before, as written → in lower case. Bounded: a peer could invent new ones for ever. */
const knownNames = new Map<string, string>();
const MAX_KNOWN_NAMES = 1024;
const MAX_KNOWN_NAME_LENGTH = 64;

function lowerName(written: string): string {
  const known = knownNames.get(written);
  if (known !== undefined) return known;
  const name = written.toLowerCase();
  if (knownNames.size < MAX_KNOWN_NAMES && written.length <= MAX_KNOWN_NAME_LENGTH) knownNames.set(written, name);
  return name;
}

/**
 * The field lines of one message, read where they lie in the text of its head: nothing is cut out before somebody asks. Valid
 * for as long as it is held, whatever becomes of the buffer that the head was read into.
 */
export class FieldBlock {
  /** Latin-1 text that holds the field section. */
  readonly #text: string;
  /** Start of the first name, then for each line the place of its colon and the start of the next line. */
  readonly #marks: readonly number[];
  /** A bit for each length of a name modulo 32: most names that are not there fail by it. */
  readonly #lengths: number;

  /** For {@linkcode parseFieldBlock}; the lines have been checked. */
  constructor(text: string, marks: readonly number[], lengths: number) {
    this.#text = text;
    this.#marks = marks;
    this.#lengths = lengths;
  }

  /** How many lines there are. */
  get count(): number {
    return (this.#marks.length - 1) >> 1;
  }

  /**
   * The values of every line called `name` (lower case), joined as a list (RFC 9110 §5.3); `null` where there is none. Lines of
   * `cookie` are joined by semicolons, since its value is no list of that kind (RFC 9113 §8.2.3).
   */
  header(name: string): string | null {
    if ((this.#lengths >>> (name.length & 31) & 1) === 0) return null;
    const marks = this.#marks;
    const last = marks.length - 1;
    let joined: string | null = null;
    for (let mark = 0; mark < last; mark += 2) {
      const start = marks[mark]!;
      const colon = marks[mark + 1]!;
      if (colon - start !== name.length || !this.#isName(name, start)) continue;
      const value = this.#value(colon + 1, marks[mark + 2]! - 2);
      joined = joined === null ? value : `${joined}${name === "cookie" ? "; " : ", "}${value}`;
    }
    return joined;
  }

  /** Every line in the order received, names in lower case, repeated lines apart. Made anew on each call. */
  list(): Fields {
    const text = this.#text;
    const marks = this.#marks;
    const last = marks.length - 1;
    const fields: Fields = [];
    for (let mark = 0; mark < last; mark += 2) {
      const colon = marks[mark + 1]!;
      fields.push([lowerName(text.slice(marks[mark]!, colon)), this.#value(colon + 1, marks[mark + 2]! - 2)]);
    }
    return fields;
  }

  #isName(name: string, start: number): boolean {
    const text = this.#text;
    for (let at = 0; at < name.length; at++) {
      const wanted = name.charCodeAt(at);
      const code = text.charCodeAt(start + at);
      if (code !== wanted && (code < UPPER_A || code > UPPER_Z || (code | LOWER_BIT) !== wanted)) return false;
    }
    return true;
  }

  /** Optional white space is space and tab only (RFC 9110 §5.6.3). */
  #value(from: number, to: number): string {
    const text = this.#text;
    let start = from;
    let end = to;
    while (start < end && isWhiteSpace(text.charCodeAt(start))) start++;
    while (end > start && isWhiteSpace(text.charCodeAt(end - 1))) end--;
    return text.slice(start, end);
  }
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
    marks.push(at - textStart);
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
