import type { Buffer } from "node:buffer";

/** A character of a token: method, field name, transfer coding (RFC 9110 §5.6.2). */
export const TOKEN_OCTET = 1;
/** Characters of a field value: visible ASCII, space, tab and the bytes above ASCII (RFC 9110 §5.5). */
export const VALUE_OCTET = 2;
/** Characters of a request target: no control, no space, no fragment; bytes above ASCII are escaped when it is read. */
export const TARGET_OCTET = 4;

/** The usual characters of host names; the grammar has more (RFC 3986 §3.2.2). */
export const HOST_OCTET = 8;

/** Carriage return. */
export const CR = 13;
/** Line feed. */
export const LF = 10;
/** One of the two octets of optional white space (RFC 9110 §5.6.3). */
export const SPACE = 32;
/** The other one. */
export const TAB = 9;
/** Ends a field name. */
export const COLON = 58;

const HASH = 0x23;

/** For each byte the classes that it belongs to, as bits. */
export const OCTET_CLASSES: Uint8Array = classifyOctets();

function classifyOctets(): Uint8Array {
  const classes = new Uint8Array(256);
  for (let octet = 0; octet < 256; octet++) {
    const isVisible = octet > SPACE && octet !== 0x7f;
    if (/[0-9A-Za-z._-]/.test(String.fromCharCode(octet))) classes[octet]! |= HOST_OCTET;
    const isToken = /[0-9A-Za-z]/.test(String.fromCharCode(octet)) ||
      "!#$%&'*+-.^_`|~".includes(String.fromCharCode(octet));
    if (isToken && octet < 0x80) classes[octet]! |= TOKEN_OCTET;
    if (isVisible || octet === SPACE || octet === TAB) classes[octet]! |= VALUE_OCTET;
    if (isVisible && octet !== HASH) classes[octet]! |= TARGET_OCTET;
  }
  return classes;
}

/** The native reader of Latin-1, which the types of `node:buffer` leave out. */
interface Latin1Reader {
  latin1Slice(start: number, end: number): string;
}

/** `buffer[start, end)` as text, each byte one character. `TextDecoder` would not do: its "latin1" is windows-1252. */
export function latin1Text(buffer: Buffer, start: number, end: number): string {
  return (buffer as unknown as Latin1Reader).latin1Slice(start, end);
}
