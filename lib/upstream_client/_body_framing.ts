import type { Fields } from "../http/fields.ts";
import { protocolFailure, type ResponseHead } from "./_response_head.ts";

/** How the end of a response body is told, and what becomes of the connection after it (RFC 9112 §6, §9). */
export interface BodyFraming {
  readonly kind: "none" | "length" | "chunked" | "close";
  /** For `length`; 0 for `none`, else `null`. */
  readonly lengthBytes: number | null;
  /** Whether the connection may carry another request after this response. */
  readonly isPersistent: boolean;
  /** For how long the upstream says that it keeps an idle connection; `null` where it says nothing. */
  readonly keepAliveMs: number | null;
}

/** What the fields say about framing, each at most once. */
interface FramingFields {
  contentLength: number | null;
  isChunked: boolean;
  connection: string;
  keepAliveMs: number | null;
}

function contentLength(value: string): number {
  // 15 digits are exact in a double, and more than any disk holds.
  if (!/^\d{1,15}$/.test(value)) throw protocolFailure("invalid Content-Length");
  return Number(value);
}

function keepAliveMs(value: string): number | null {
  const match = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,6})/i.exec(value);
  return match === null ? null : Number(match[1]) * 1000;
}

function readFramingFields(fields: Fields): FramingFields {
  const found: FramingFields = { contentLength: null, isChunked: false, connection: "", keepAliveMs: null };
  for (const [name, value] of fields) {
    if (name === "content-length") {
      // Also when both say the same: RFC 9112 §6.3 allows either, and nobody honest sends two.
      if (found.contentLength !== null) throw protocolFailure("more than one Content-Length");
      found.contentLength = contentLength(value);
    } else if (name === "transfer-encoding") {
      if (found.isChunked || value.toLowerCase() !== "chunked") throw protocolFailure("unknown transfer coding");
      found.isChunked = true;
    } else if (name === "connection") {
      found.connection += `,${value.toLowerCase()}`;
    } else if (name === "keep-alive") {
      found.keepAliveMs = keepAliveMs(value);
    }
  }
  return found;
}

function hasToken(list: string, token: string): boolean {
  return list !== "" && list.split(",").some((member) => member.trim() === token);
}

/**
 * How the body of a response to `method` is framed (RFC 9112 §6.3). Both framing fields at once, and `Transfer-Encoding` from
 * an HTTP/1.0 upstream, are refused: they are how responses are smuggled (RFC 9112 §6.1, §11.2), and a length that goes on
 * to the client beside a body of another length would be our own fault.
 *
 * @throws {UpstreamFailure} `protocol`
 */
export function bodyFraming(method: string, head: ResponseHead): BodyFraming {
  const found = readFramingFields(head.fields);
  if (found.isChunked && found.contentLength !== null) {
    throw protocolFailure("Content-Length and Transfer-Encoding together");
  }
  if (found.isChunked && head.minor === 0) throw protocolFailure("Transfer-Encoding in an HTTP/1.0 response");
  const isPersistent = head.minor === 1
    ? !hasToken(found.connection, "close")
    : hasToken(found.connection, "keep-alive") && !hasToken(found.connection, "close");
  const rest = { isPersistent, keepAliveMs: found.keepAliveMs };
  if (method === "HEAD" || head.status === 304) return { kind: "none", lengthBytes: 0, ...rest };
  if (head.status === 204) {
    // A 204 that announces a body may be followed by one: those bytes must not meet the next request.
    const isHonest = !found.isChunked && (found.contentLength ?? 0) === 0;
    return { kind: "none", lengthBytes: 0, ...rest, isPersistent: isPersistent && isHonest };
  }
  if (found.isChunked) return { kind: "chunked", lengthBytes: null, ...rest };
  if (found.contentLength === null) return { kind: "close", lengthBytes: null, ...rest, isPersistent: false };
  return { kind: found.contentLength === 0 ? "none" : "length", lengthBytes: found.contentLength, ...rest };
}
