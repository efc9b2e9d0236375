import type { Buffer } from "node:buffer";
import type { Fields } from "../http/fields.ts";
import { parseFieldBlock } from "./field_block.ts";
import { latin1Text } from "./octets.ts";
import { WireError } from "./wire_error.ts";

/** A client refuses a response head larger than this. */
export const MAX_RESPONSE_HEAD_BYTES = 64 * 1024;

/** As it does one of more lines than this. */
export const MAX_RESPONSE_FIELDS = 256;

/** The status line and field section of a response (RFC 9112 §4, §5). */
export interface ResponseHead {
  readonly status: number;
  /** The minor version: `HTTP/1.<minor>`. */
  readonly minor: number;
  /** Names in lower case, repeated lines apart. */
  readonly fields: Fields;
}

/** An empty reason phrase may come without its space: several servers leave it out. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;

/**
 * Reads `buffer[start, end)`, a complete head with its closing empty line. The result does not need the buffer any more.
 *
 * @throws {WireError} 400; 431 where there are more than `maxFields` lines
 */
export function parseResponseHead(
  buffer: Buffer,
  start: number,
  end: number,
  maxFields = MAX_RESPONSE_FIELDS,
): ResponseHead {
  const text = latin1Text(buffer, start, end);
  const lineLength = text.indexOf("\r\n");
  const match = STATUS_LINE.exec(text.slice(0, lineLength));
  if (match === null) throw new WireError(400, "Invalid status line");
  const section = { bytes: buffer, start: start + lineLength + 2, end: end - 2, text, textStart: start };
  const fields = parseFieldBlock(section, maxFields).list();
  return { status: Number(match[2]), minor: Number(match[1]), fields };
}
