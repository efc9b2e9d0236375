import type { Buffer } from "node:buffer";
import { type Fields, fieldValue } from "../http/fields.ts";
import { parseFieldBlock } from "./field_block.ts";
import { latin1Text } from "./octets.ts";
import { keepsAlive } from "./persistence.ts";
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

/** How a response's content is delimited, and whether its connection persists (RFC 9112 §6, §9). */
export interface ResponseFraming {
  readonly kind: "none" | "length" | "chunked" | "close";
  /** For `length`; 0 for `none`, else `null`. */
  readonly lengthBytes: number | null;
  /** Whether the connection may carry another request after this response. */
  readonly isPersistent: boolean;
  /** For how long the server says that it keeps an idle connection; `null` where it says nothing. */
  readonly keepAliveMs: number | null;
}

/** The framing fields of a response, each at most once. */
interface FramingFields {
  contentLength: number | null;
  isChunked: boolean;
}

function parseLength(value: string): number {
  // 15 digits are exact in a double, and more than any disk holds.
  if (!/^\d{1,15}$/.test(value)) throw new WireError(400, "Invalid Content-Length");
  return Number(value);
}

function parseKeepAlive(value: string | null): number | null {
  const match = value === null ? null : /(?:^|[,\s])timeout\s*=\s*"?(\d{1,6})/i.exec(value);
  return match === null ? null : Number(match[1]) * 1000;
}

function readFramingFields(fields: Readonly<Fields>): FramingFields {
  const found: FramingFields = { contentLength: null, isChunked: false };
  for (const [name, value] of fields) {
    if (name === "content-length") {
      // Also when both say the same: RFC 9112 §6.3 allows either, and nobody honest sends two.
      if (found.contentLength !== null) throw new WireError(400, "More than one Content-Length");
      found.contentLength = parseLength(value);
    } else if (name === "transfer-encoding") {
      if (found.isChunked || value.toLowerCase() !== "chunked") throw new WireError(400, "Unknown transfer coding");
      found.isChunked = true;
    }
  }
  return found;
}

/**
 * How the content of a response to `method` is framed (RFC 9112 §6.3). Both framing fields at once, and `Transfer-Encoding` from
 * an HTTP/1.0 server, are refused: they are how responses are smuggled (RFC 9112 §6.1, §11.2), and a length that goes on
 * to the client beside content of another length would be our own fault.
 *
 * @throws {WireError} 400
 */
export function responseFraming(method: string, head: ResponseHead): ResponseFraming {
  const { isChunked, contentLength } = readFramingFields(head.fields);
  if (isChunked && contentLength !== null) throw new WireError(400, "Content-Length and Transfer-Encoding together");
  if (isChunked && head.minor === 0) throw new WireError(400, "Transfer-Encoding in an HTTP/1.0 response");
  const isPersistent = keepsAlive(fieldValue(head.fields, "connection"), head.minor);
  const keepAliveMs = parseKeepAlive(fieldValue(head.fields, "keep-alive"));
  const rest = { isPersistent, keepAliveMs };
  if (method === "HEAD" || head.status === 304) return { kind: "none", lengthBytes: 0, ...rest };
  if (head.status === 204) {
    // A 204 that announces content may be followed by it: those bytes must not meet the next request.
    const isHonest = !isChunked && (contentLength ?? 0) === 0;
    return { kind: "none", lengthBytes: 0, keepAliveMs, isPersistent: isPersistent && isHonest };
  }
  if (isChunked) return { kind: "chunked", lengthBytes: null, ...rest };
  if (contentLength === null) return { kind: "close", lengthBytes: null, keepAliveMs, isPersistent: false };
  return { kind: contentLength === 0 ? "none" : "length", lengthBytes: contentLength, ...rest };
}
