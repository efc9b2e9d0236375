import type { Buffer } from "node:buffer";
import { trimSpace } from "../http/list.ts";
import { isAuthority } from "../http/target.ts";
import { type FieldBlock, parseFieldBlock } from "./field_block.ts";
import { MAX_EMPTY_BYTES, skipEmptyLines } from "./head_end.ts";
import { COLON, CR, HOST_OCTET, latin1Text, LF, OCTET_CLASSES, SPACE, TARGET_OCTET, TOKEN_OCTET } from "./octets.ts";
import { keepsAlive } from "./persistence.ts";
import { WireError } from "./wire_error.ts";

/** Size limits of a request's head. */
export interface HeadLimits {
  /** Field lines. */
  readonly maxFields: number;
  /** Bytes of the field section, the request line not counted. */
  readonly fieldsBytes: number;
  /** Bytes of the target, as sent. */
  readonly targetBytes: number;
}

/** The request line and field section of a request, checked (RFC 9112 §3, §5, §6). */
export interface RequestHead {
  /** A token, as sent. */
  readonly method: string;
  /** As sent, in the form that fits the method (RFC 9112 §3.2), bytes 0x80–0xFF as `%XX`. */
  readonly target: string;
  /** 0 for HTTP/1.0, else 1: a later minor version is answered as 1.1 (RFC 9110 §2.5). */
  readonly minor: 0 | 1;
  readonly fields: FieldBlock;
  readonly framing: RequestFraming;
  /** Whether the client waits for `100 Continue` before it sends its content (RFC 9110 §10.1.1). */
  readonly expectsContinue: boolean;
  /** Whether the client lets the connection carry another request (RFC 9112 §9.3). */
  readonly keepAlive: boolean;
}

const MAX_METHOD_BYTES = 32;
/** Beside the target: the method, two spaces, the version and CRLF. */
const REST_OF_LINE_BYTES = MAX_METHOD_BYTES + 2 + 8 + 2;

const VERSION_PREFIX = [72, 84, 84, 80, 47] as const;
const HTTP2_NEEDS_TLS = "HTTP/2 needs TLS here, with h2 agreed on by ALPN; without it HTTP/1.1 is spoken";
const DOT = 46;
const ZERO = 48;

/** The parts of a request line, by place. */
interface RequestLine {
  readonly start: number;
  readonly methodEnd: number;
  readonly targetEnd: number;
  readonly hasHighBytes: boolean;
  readonly minor: 0 | 1;
  /** Start of the field section. */
  readonly end: number;
}

/**
 * Reads `buffer[start, end)`, a complete head with its closing empty line as {@linkcode findHeadEnd} found it. The result does
 * not need the buffer any more.
 *
 * @throws {WireError} 400 for what the grammar does not have and for what requests are smuggled with; 413, 414, 431 over a
 * limit; 417 for an unknown expectation; 501 for an unknown transfer coding; 505 for another major version
 */
export function parseRequestHead(buffer: Buffer, start: number, end: number, limits: HeadLimits): RequestHead {
  const line = readRequestLine(buffer, start, end, limits.targetBytes);
  const { minor } = line;
  const sectionEnd = end - 2;
  if (sectionEnd - line.end > limits.fieldsBytes) throw fieldsTooLarge(limits);
  const text = latin1Text(buffer, line.start, end);
  const section = { bytes: buffer, start: line.end, end: sectionEnd, text, textStart: line.start };
  const fields = parseFieldBlock(section, limits.maxFields);
  const method = methodOf(text, line.methodEnd - line.start);
  const target = targetOf(text, line, method);
  checkHost(buffer, line.start, fields, minor);
  const framing = requestFraming(fields, minor);
  return {
    method,
    target,
    minor,
    fields,
    framing,
    expectsContinue: expectsContinue(fields.header("expect"), minor),
    keepAlive: keepsAlive(fields.header("connection"), minor),
  };
}

/**
 * Refuses a head that has not ended yet and is over a limit already, or whose request line is not valid. If it does not throw, a
 * buffer of {@linkcode maxHeadBytes} has space for more.
 *
 * @throws {WireError} as {@linkcode parseRequestHead}
 */
export function checkUnfinishedHead(bytes: Uint8Array, start: number, end: number, limits: HeadLimits): void {
  if (end - start <= Math.min(limits.targetBytes, limits.fieldsBytes)) return;
  const first = skipEmptyLines(bytes, start, end);
  if (bytes.subarray(first, end).includes(LF)) {
    const line = readRequestLine(bytes, first, end, limits.targetBytes);
    if (end - line.end >= limits.fieldsBytes + 2) throw fieldsTooLarge(limits);
  } else if (end - first >= limits.targetBytes + REST_OF_LINE_BYTES) {
    const hasMethod = bytes.subarray(first, first + MAX_METHOD_BYTES + 1).includes(SPACE);
    throw hasMethod ? targetTooLong(limits.targetBytes) : methodTooLong();
  }
}

/** The most bytes of a head within `limits`, empty lines before it included. */
export function maxHeadBytes(limits: HeadLimits): number {
  return MAX_EMPTY_BYTES + limits.targetBytes + REST_OF_LINE_BYTES + limits.fieldsBytes + 2;
}

function fieldsTooLarge(limits: HeadLimits): WireError {
  return new WireError(431, `Field section over ${limits.fieldsBytes} bytes`);
}

function targetTooLong(targetBytes: number): WireError {
  return new WireError(414, `Request target over ${targetBytes} bytes`);
}

function methodTooLong(): WireError {
  return new WireError(501, `Method over ${MAX_METHOD_BYTES} bytes`);
}

function readRequestLine(bytes: Uint8Array, from: number, end: number, targetBytes: number): RequestLine {
  const start = skipEmptyLines(bytes, from, end);
  let at = start;
  while ((OCTET_CLASSES[bytes[at]!]! & TOKEN_OCTET) !== 0) at++;
  const methodEnd = at;
  if (bytes[at] !== SPACE || at === start) throw invalidLine("a method and one space are expected first");
  if (methodEnd - start > MAX_METHOD_BYTES) throw methodTooLong();
  at++;
  let seen = 0;
  for (let byte = bytes[at]!; (OCTET_CLASSES[byte]! & TARGET_OCTET) !== 0; byte = bytes[++at]!) seen |= byte;
  const targetEnd = at;
  if (targetEnd - methodEnd - 1 > targetBytes) throw targetTooLong(targetBytes);
  if (targetEnd === methodEnd + 1) throw invalidLine("the target is missing");
  if (bytes[at] === CR && bytes[at + 1] === LF) throw invalidLine("the version is missing: HTTP/0.9 is not spoken");
  if (bytes[at] !== SPACE) throw invalidLine("control character or # in the target");
  const minor = readVersion(bytes, at + 1);
  return { start, methodEnd, targetEnd, hasHighBytes: seen >= 0x80, minor, end: at + 11 };
}

function invalidLine(what: string): WireError {
  return new WireError(400, `Invalid request line: ${what}`);
}

/** The minor version of `HTTP/1.x` and its line end, which begin at `at` (RFC 9112 §2.3). */
function readVersion(bytes: Uint8Array, at: number): 0 | 1 {
  for (let index = 0; index < VERSION_PREFIX.length; index++) {
    if (bytes[at + index] !== VERSION_PREFIX[index]) throw invalidLine("expected HTTP/1.1 behind the target");
  }
  const major = bytes[at + 5]! - ZERO;
  const minor = bytes[at + 7]! - ZERO;
  const isVersion = major >= 0 && major <= 9 && bytes[at + 6] === DOT && minor >= 0 && minor <= 9;
  if (!isVersion || bytes[at + 8] !== CR || bytes[at + 9] !== LF) {
    throw invalidLine("expected HTTP/1.1 and the line's end behind the target");
  }
  if (major === 1) return minor === 0 ? 0 : 1;
  if (major === 2) throw new WireError(505, HTTP2_NEEDS_TLS);
  throw new WireError(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here");
}

function methodOf(text: string, length: number): string {
  if (length === 3 && text.startsWith("GET")) return "GET";
  if (length === 4 && text.startsWith("HEAD")) return "HEAD";
  return text.slice(0, length);
}

const SLASH = 47;

function targetOf(text: string, line: RequestLine, method: string): string {
  const from = line.methodEnd - line.start + 1;
  const sent = text.slice(from, line.targetEnd - line.start);
  if (text.charCodeAt(from) !== SLASH || method === "CONNECT") checkTargetForm(sent, method);
  return line.hasHighBytes ? escapeHighBytes(sent) : sent;
}

const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;

/** The forms that do not begin with `/`: absolute, authority with CONNECT, asterisk with OPTIONS (RFC 9112 §3.2). */
function checkTargetForm(target: string, method: string): void {
  if (method === "CONNECT") {
    if (isHost(target) && target.includes(":")) return;
  } else if (target === "*") {
    if (method === "OPTIONS") return;
  } else {
    const authority = ABSOLUTE_FORM.exec(target)?.[1];
    if (authority !== undefined && isHost(authority)) return;
  }
  throw invalidLine("a target in none of the forms that its method takes");
}

function escapeHighBytes(target: string): string {
  return target.replace(/[\x80-\xff]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** `Host` is there once, and names a host (RFC 9112 §3.2). */
function checkHost(bytes: Uint8Array, textStart: number, fields: FieldBlock, minor: number): void {
  const line = fields.find("host", 0);
  if (line < 0) {
    if (minor !== 0) throw new WireError(400, "Host is missing");
    return;
  }
  if (fields.find("host", line + 1) >= 0) throw new WireError(400, "More than one Host");
  if (isPlainHost(bytes, textStart + fields.valueStart(line), textStart + fields.lineEnd(line))) return;
  requireHost(fields.valueOf(line));
}

/**
 * Refuses what names no host: an authority without user information, with a port from 0 to 65535 or none.
 *
 * @throws {WireError} 400
 */
export function requireHost(text: string): void {
  if (!isHost(text)) throw new WireError(400, "Invalid Host: expected a host, with a port from 0 to 65535 or none");
}

const MAX_PORT = 65_535;
const MAX_HOST_LENGTH = 255;

/** Whether `bytes[from, end)` is a host such as nearly all are, of letters, digits and little else, behind a space. */
function isPlainHost(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  if (bytes[at] === SPACE) at++;
  const start = at;
  while (at < end && (OCTET_CLASSES[bytes[at]!]! & HOST_OCTET) !== 0) at++;
  if (at === start || at - start > MAX_HOST_LENGTH) return false;
  if (at === end) return true;
  if (bytes[at] !== COLON || end - at < 2 || end - at > 6) return false;
  let port = 0;
  for (at++; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= MAX_PORT;
}

/** Whether a text is an authority without user information, with a port from 0 to 65535 or none (RFC 3986 §3.2). */
function isHost(text: string): boolean {
  if (!isAuthority(text)) return false;
  const colon = text.lastIndexOf(":");
  return colon < 0 || text.endsWith("]") || Number(text.slice(colon + 1)) <= MAX_PORT;
}

/** An expectation of an HTTP/1.0 client is not met (RFC 9110 §10.1.1). */
function expectsContinue(expect: string | null, minor: number): boolean {
  if (expect === null) return false;
  if (expect.toLowerCase() === "100-continue") return minor !== 0;
  throw new WireError(417, "Unknown expectation: only 100-continue is understood");
}

/** How a request's content is delimited (RFC 9112 §6.3). */
export interface RequestFraming {
  readonly kind: "none" | "length" | "chunked";
  /** For `length`; 0 for `none`, `null` for `chunked`. */
  readonly lengthBytes: number | null;
}

const NONE: RequestFraming = { kind: "none", lengthBytes: 0 };
const CHUNKED: RequestFraming = { kind: "chunked", lengthBytes: null };

/** Exact in a double, and more than any disk holds. */
const MAX_LENGTH_DIGITS = 15;

/** The name of a transfer coding; those with parameters are not known here (RFC 9112 §7). */
const TRANSFER_CODING = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * How the content of a request is framed. Both framing fields at once, and `Transfer-Encoding` in HTTP/1.0, are how requests are
 * smuggled (RFC 9112 §6.1, §11.2); they are refused, as is every length and coding that two recipients could read in two ways.
 *
 * @throws {WireError} 400; 413 for a length beyond 15 digits; 501 for a transfer coding that is not known
 */
export function requestFraming(fields: FieldBlock, minor: number): RequestFraming {
  const length = fields.header("content-length");
  const codings = fields.header("transfer-encoding");
  if (codings === null) return length === null ? NONE : lengthFraming(length);
  if (length !== null) throw new WireError(400, "Content-Length and Transfer-Encoding together");
  if (minor === 0) throw new WireError(400, "Transfer-Encoding in an HTTP/1.0 request");
  checkCodings(codings);
  return CHUNKED;
}

function lengthFraming(value: string): RequestFraming {
  const lengthBytes = parseContentLength(value);
  return lengthBytes === 0 ? NONE : { kind: "length", lengthBytes };
}

/**
 * The number in `Content-Length`, or in several equal ones (RFC 9110 §8.6).
 *
 * @throws {WireError} 400 for anything but digits and for values that differ; 413 for more than 15 digits
 */
export function parseContentLength(value: string): number {
  const digits = value.includes(",") ? sameMember(value) : value;
  if (!/^\d+$/.test(digits)) throw new WireError(400, "Invalid Content-Length: expected digits");
  if (digits.length > MAX_LENGTH_DIGITS) throw new WireError(413, `Content-Length of over ${MAX_LENGTH_DIGITS} digits`);
  return Number(digits);
}

function sameMember(list: string): string {
  const members = list.split(",").map(trimSpace);
  const first = members[0]!;
  if (members.some((member) => member !== first)) throw new WireError(400, "Content-Length fields that differ");
  return first;
}

/** Passes `chunked` alone; no other coding is known here, and none may come behind or beside it (RFC 9112 §6.1, §7). */
function checkCodings(value: string): void {
  if (value === "chunked" || value.toLowerCase() === "chunked") return;
  const codings = value.toLowerCase().split(",").map(trimSpace);
  if (!codings.every((coding) => TRANSFER_CODING.test(coding))) throw new WireError(400, "Invalid Transfer-Encoding");
  const chunkedAt = codings.indexOf("chunked");
  if (chunkedAt >= 0 && chunkedAt < codings.length - 1) {
    throw new WireError(400, "Transfer-Encoding with chunked twice or not last");
  }
  throw new WireError(501, "Unknown transfer coding: only chunked is understood");
}
