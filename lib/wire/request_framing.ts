import { trimSpace } from "../http/list.ts";
import type { FieldBlock } from "./field_block.ts";
import { WireError } from "./wire_error.ts";

/** How the end of a request's content is told (RFC 9112 §6.3). */
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
