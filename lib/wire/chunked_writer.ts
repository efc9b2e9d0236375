import type { Fields } from "../http/fields.ts";
import { fieldLine } from "./head_writer.ts";
import { CR, LF } from "./octets.ts";
import { isTrailer } from "./field_block.ts";

/** The most bytes that {@linkcode writeChunkSize} writes: eight digits and CRLF. */
export const MAX_CHUNK_SIZE_BYTES = 10;

/** Behind each chunk's content. */
export const CHUNK_END: Uint8Array = Uint8Array.of(CR, LF);

/** Ends a body without trailers (RFC 9112 §7.1). */
export const LAST_CHUNK: Uint8Array = Uint8Array.of(48, CR, LF, CR, LF);

/**
 * Writes the line that begins a chunk of `lengthBytes`, which is not 0 and below 4 GiB: a chunk of 0 ends the body.
 *
 * @returns the index behind it
 */
export function writeChunkSize(lengthBytes: number, into: Uint8Array, at: number): number {
  if (!(lengthBytes > 0 && lengthBytes < 2 ** 32)) throw new RangeError(`Invalid chunk length: ${lengthBytes}`);
  let digits = 1;
  for (let rest = lengthBytes; rest >= 16; rest = Math.floor(rest / 16)) digits++;
  let rest = lengthBytes;
  for (let place = at + digits - 1; place >= at; place--) {
    const digit = rest % 16;
    into[place] = digit < 10 ? 48 + digit : 87 + digit;
    rest = (rest - digit) / 16;
  }
  into[at + digits] = CR;
  into[at + digits + 1] = LF;
  return at + digits + 2;
}

/**
 * The last chunk and a trailer section, as text of Latin-1 characters. Fields that must not be in a trailer section are left out.
 *
 * @throws {TypeError} for a name or value that cannot be written
 */
export function lastChunk(trailers: Readonly<Fields>): string {
  let text = "0\r\n";
  for (const [name, value] of trailers) {
    if (isTrailer(name.toLowerCase())) text += fieldLine(name, value);
  }
  return `${text}\r\n`;
}
