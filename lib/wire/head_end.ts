import { CR, LF, OCTET_CLASSES, TOKEN_OCTET } from "./octets.ts";
import { WireError } from "./wire_error.ts";

/** Two empty lines before a request line are passed over: old clients send one behind a request's content (RFC 9112 §2.2). */
export const MAX_EMPTY_BYTES = 4;

/**
 * The start of the first line that is not empty, or `end` or the place of a lone CR where it has not come yet.
 *
 * @throws {WireError} 400 where there are more than two empty lines
 */
export function skipEmptyLines(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) {
    if (at - start === MAX_EMPTY_BYTES) throw new WireError(400, "Too many empty lines before a message");
    at += 2;
  }
  return at;
}

/**
 * The index behind the empty line of the head that begins at `start`, or -1 where that has not come yet. Up to two empty
 * lines before it belong to it. Look-ups of a growing head go on at `scannedTo`, the `end` of the call before; the first one
 * says `start`.
 *
 * @throws {WireError} 400 for a line feed without carriage return, after which the head would never end, and for a
 * first byte that no message begins with, such as those of TLS
 */
export function findHeadEnd(bytes: Uint8Array, start: number, end: number, scannedTo: number): number {
  const first = skipEmptyLines(bytes, start, end);
  for (let at = Math.max(first, scannedTo); at < end; at++) {
    if (bytes[at] !== LF) continue;
    if (at === first || bytes[at - 1] !== CR) throw new WireError(400, "Line feed without carriage return");
    if (at - 2 > first && bytes[at - 2] === LF) return at + 1;
  }
  if (first < end) checkFirstByte(bytes, first, end);
  return -1;
}

function checkFirstByte(bytes: Uint8Array, first: number, end: number): void {
  const byte = bytes[first]!;
  if ((OCTET_CLASSES[byte]! & TOKEN_OCTET) !== 0 || (byte === CR && first + 1 === end)) return;
  throw new WireError(400, "Not an HTTP message");
}
