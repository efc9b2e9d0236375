import { Buffer } from "node:buffer";
import { isJsonType } from "./content_signature.ts";

/** Larger JSON texts are looked at from both ends only: a walk through all of one would keep a core for too long. */
const MAX_WALK_BYTES = 8 * 1024 * 1024;

/**
 * Whether content that is there as a whole begins and ends as its media type does: nothing empty, blank or cut short. JSON has to
 * close what it opens, XML to end with a tag, a picture to end as its own format does, whatever its type calls it. Of other types
 * only what is blank is refused.
 *
 * @param mediaType in lower case, without parameters
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { isWholeContent } from "./whole_content.ts";
 * const bytes = (text: string) => new TextEncoder().encode(text);
 * assert.equal(isWholeContent("application/json", bytes('{"page":1,"results":[]}\n')), true);
 * assert.equal(isWholeContent("application/json", bytes('{"page":1,"results":[{"id":5}')), false);
 * assert.equal(isWholeContent("text/plain", bytes(" \r\n")), false);
 * assert.equal(isWholeContent("image/jpeg", Uint8Array.of(0xff, 0xd8, 0xff)), false);
 * ```
 */
export function isWholeContent(mediaType: string, content: Uint8Array): boolean {
  const start = textStart(content);
  const end = textEnd(content, start);
  if (start === end) return false;
  if (isJsonType(mediaType)) return isWholeJson(content, start, end);
  if (mediaType.startsWith("image/")) return isWholePicture(content, start, end);
  if (isXmlType(mediaType)) return content[start] === LESS && content[end - 1] === GREATER;
  return true;
}

/**
 * Whether content of a media type is text or a picture, so that gzip bytes in its place are a coding that nobody told of. Of other
 * types, an archive's for one, they may be what was asked for.
 *
 * @param mediaType in lower case, without parameters
 */
export function isNeverGzip(mediaType: string): boolean {
  return isJsonType(mediaType) || isXmlType(mediaType) || /^(?:image|text)\//.test(mediaType) ||
    /^application\/(?:x-|ecma|java)script$/.test(mediaType) || mediaType === "application/x-javascript";
}

/** Whether bytes begin as a gzip member of the one method there is (RFC 1952 §2.3.1). */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b && (head.length < 3 || head[2] === 8);
}

/** XML by its media type (RFC 7303 §9). */
function isXmlType(mediaType: string): boolean {
  return mediaType === "application/xml" || mediaType === "text/xml" || mediaType.endsWith("+xml");
}

/** No picture of any format is smaller. */
const MIN_PICTURE_BYTES = 16;

const LESS = 0x3c;
const GREATER = 0x3e;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Behind a byte order mark and white space. */
function textStart(content: Uint8Array): number {
  let at = content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf ? 3 : 0;
  while (at < content.length && isSpace(content[at])) at++;
  return at;
}

function textEnd(content: Uint8Array, start: number): number {
  let end = content.length;
  while (end > start && isSpace(content[end - 1])) end--;
  return end;
}

const CLOSING: ReadonlyMap<number, number> = new Map([[0x7b, 0x7d], [0x5b, 0x5d]]);

/** The beginning of a script that gives a document to a function. */
const CALL = /^(?:\/\*\*\/\s*)?[A-Za-z_$][\w$.]*\(/;
const MAX_CALL_BYTES = 128;

function isWholeJson(content: Uint8Array, start: number, end: number): boolean {
  const first = content[start]!;
  const last = content[end - 1]!;
  const closing = CLOSING.get(first);
  if (closing !== undefined) {
    return last === closing && (end - start > MAX_WALK_BYTES || closingAt(content, start, end) === end - 1);
  }
  if (first === QUOTE) return end - start <= MAX_WALK_BYTES && stringEnd(content, start, end) === end - 1;
  // Some servers send a `callback`'s script with the document's type.
  if (CALL.test(latin1(content, start, start + MAX_CALL_BYTES))) return /\);?$/.test(latin1(content, end - 2, end));
  // Numbers and literals are short; what is longer is none.
  if (end - start > 64) return false;
  return /^(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)$/.test(latin1(content, start, end));
}

/** Where what opens at `start` is closed; -1 where it is not. */
function closingAt(content: Uint8Array, start: number, end: number): number {
  let depth = 0;
  for (let at = start; at < end; at++) {
    const byte = content[at];
    if (byte === QUOTE) {
      at = stringEnd(content, at, end);
      if (at < 0) return -1;
    } else if (byte === 0x7b || byte === 0x5b) depth++;
    else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) return at;
  }
  return -1;
}

/** Where the string that begins at `start` has its closing quote; -1 where it has none. */
function stringEnd(content: Uint8Array, start: number, end: number): number {
  for (let at = start + 1; at < end; at++) {
    const byte = content[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return -1;
}

/** By what the bytes are: names and types of pictures are often mixed up. Of formats that are not known, nothing is said. */
function isWholePicture(content: Uint8Array, start: number, end: number): boolean {
  const head = latin1(content, 0, 16);
  // A picture that ends with its own end is whole, also with segments of an unusual encoder before that.
  const tail = unpaddedEnd(content);
  if (head.startsWith("\xff\xd8\xff")) return tail.endsWith("\xff\xd9") || isWholeJpeg(content);
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return tail.startsWith("\0\0\0\0IEND") || isWholePng(content);
  if (head.startsWith("GIF8")) return tail.endsWith(";") || isWholeGif(content);
  if (head.startsWith("RIFF")) return content.length >= 12 && content.length >= 8 + uint32LittleEndian(content, 4);
  if (head.slice(4, 8) === "ftyp") return isWholeBoxes(content);
  if (content[start] === LESS) return isWholeSvg(latin1(content, start, end));
  return content.length >= MIN_PICTURE_BYTES;
}

/** Up to where the pixels begin, segments tell their length; from there on, FF D9 is the end of the image (ITU-T T.81 §B.1.1). */
function isWholeJpeg(content: Uint8Array): boolean {
  for (let at = 2; at + 4 <= content.length;) {
    if (content[at] !== 0xff) return false;
    const marker = content[at + 1]!;
    if (marker === 0xff) at++;
    else if (marker === 0xd9) return true;
    else if (marker === 0xda) return viewOf(content).indexOf("\xff\xd9", at + 2, "latin1") >= 0;
    // Markers that stand alone.
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else at += 2 + (content[at + 2]! << 8 | content[at + 3]!);
  }
  return false;
}

/** Chunk by chunk to IEND (PNG third edition §5.3, §11.2.5). */
function isWholePng(content: Uint8Array): boolean {
  const view = viewOf(content);
  for (let at = 8; at + 12 <= content.length;) {
    const next = at + 12 + view.readUInt32BE(at);
    if (next > content.length) return false;
    if (latin1(content, at + 4, at + 8) === "IEND") return true;
    at = next;
  }
  return false;
}

/** Block by block to the trailer (GIF89a §15 to §27). */
function isWholeGif(content: Uint8Array): boolean {
  const tableBytes = (packed: number) => (packed & 0x80) === 0 ? 0 : 3 << ((packed & 7) + 1);
  let at = 13 + tableBytes(content[10]!);
  while (at < content.length) {
    const block = content[at]!;
    if (block === 0x3b) return true;
    if (block === 0x21) at += 2;
    else if (block === 0x2c) at += 11 + tableBytes(content[at + 9]!);
    else return false;
    for (; content[at]! > 0; at += content[at]! + 1);
    at++;
  }
  return false;
}

/** AVIF and HEIF: boxes that tell their length, each within the file (ISO/IEC 14496-12 §4.2). What is behind them is no box. */
function isWholeBoxes(content: Uint8Array): boolean {
  const view = viewOf(content);
  let hasData = false;
  for (let at = 0; at < content.length;) {
    if (hasData && !/^[ -~]{4}/.test(latin1(content, at + 4, at + 8))) return true;
    if (at + 8 > content.length) return false;
    hasData ||= latin1(content, at + 4, at + 8) === "mdat";
    const size = view.readUInt32BE(at);
    if (size === 0) return hasData;
    const length = size === 1 && at + 16 <= content.length ? Number(view.readBigUInt64BE(at + 8)) : size;
    if (length < 8 || at + length > content.length) return false;
    at += length;
  }
  return hasData;
}

/** The last tag closes the `svg` element; comments and processing instructions may come behind it. */
function isWholeSvg(text: string): boolean {
  let end = text.length;
  while (text.endsWith("-->", end) || text.endsWith("?>", end)) {
    const before = text.lastIndexOf(text.endsWith("?>", end) ? "<?" : "<!--", end);
    if (before < 0) return false;
    end = before;
    while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  }
  if (text[end - 1] !== ">") return false;
  const tag = text.slice(text.lastIndexOf("<", end - 1), end);
  return /^<\/(?:[\w.-]+:)?svg\s*>$/i.test(tag) || /^<(?:[\w.-]+:)?svg\b[^]*\/>$/i.test(tag);
}

/** The last twelve bytes before the zeros that encoders pad with. */
function unpaddedEnd(content: Uint8Array): string {
  let end = content.length;
  while (end > 0 && content[end - 1] === 0) end--;
  return latin1(content, Math.max(0, end - 12), end);
}

function uint32LittleEndian(content: Uint8Array, at: number): number {
  return viewOf(content).readUInt32LE(at);
}

function viewOf(content: Uint8Array): Buffer {
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}

function latin1(content: Uint8Array, start: number, end: number): string {
  return viewOf(content).toString("latin1", start, Math.min(end, content.length));
}
