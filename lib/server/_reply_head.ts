import { Buffer } from "node:buffer";
import type { Clock } from "../clock.ts";
import { formatHttpDate } from "../http/http_date.ts";
import { statusLine, writeLatin1 } from "../wire/head_writer.ts";
import type { BodySource } from "../wire/body_source.ts";
import type { Arrival } from "./arrival.ts";
import type { HandOver, Reply, Tunnel } from "./reply.ts";

/** How a reply's content is delimited (RFC 9112 §6.3). */
export type ReplyFraming = "none" | "length" | "chunked" | "close";

/** The properties of a request that its reply's head depends on. */
export interface RequestTraits {
  /** Minor version: chunked is not for HTTP/1.0. */
  readonly minor: number;
  readonly isHead: boolean;
}

/** Upper bound of the lines that the server adds. */
const OWN_LINES_BYTES = 160;

const statusBytes: Uint8Array[] = [];

/** Length of content in memory; `null` where it comes from a source. */
function heldLength(body: Reply["body"]): number | null {
  if (body === null) return 0;
  if (body instanceof Uint8Array) return body.length;
  return isSource(body) ? null : body.reduce((sum, piece) => sum + piece.length, 0);
}

/** It has framing, but never content (RFC 9110 §15.3.6). */
const RESET_CONTENT = 205;

/** Length of the content, or `null` where it is not known. */
export function contentLength({ status, lengthBytes, body }: Reply): number | null {
  return status === RESET_CONTENT ? 0 : lengthBytes ?? heldLength(body);
}

/** Whether responses of this status never have content or framing (RFC 9110 §6.4.1). */
function isBare(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}

/** Whether the reply to such a request has content. */
export function hasContent({ status, body }: Reply, isHead: boolean): boolean {
  return body !== null && !isHead && status !== RESET_CONTENT && !isBare(status);
}

/** The framing of content of this length for such a request; 1xx, 204 and 304 have none. */
export function framingOf(reply: Reply, lengthBytes: number | null, { minor, isHead }: RequestTraits): ReplyFraming {
  if (isBare(reply.status) || reply.tunnel !== undefined) return "none";
  // The reply to `HEAD` does not state an unknown length.
  if (isHead && reply.lengthBytes === null && (reply.body === null || lengthBytes === null)) return "none";
  if (lengthBytes !== null) return "length";
  return minor === 0 ? "close" : "chunked";
}

/** Whether only the close of the connection can delimit the content for an HTTP/1.0 client. */
export function isDelimitedByClose(reply: Reply, isHead: boolean): boolean {
  return framingOf(reply, contentLength(reply), { minor: 0, isHead }) === "close";
}

/** The defect of a reply to such a request, or `null`. */
export function faultOf(
  reply: Reply,
  { method, minor, isHead, body }: RequestTraits & Pick<Arrival, "method" | "body">,
): string | null {
  const { status, lengthBytes } = reply;
  if (reply.tunnel !== undefined) {
    const isConnect = method === "CONNECT";
    if (status !== (isConnect ? 200 : 101)) return `a tunnel with status ${status}`;
    if (isConnect !== isConnectTunnel(reply.tunnel)) return "a tunnel that the method does not ask for";
    if (isConnect) return body !== null ? "a tunnel for a request with content" : null;
    return minor === 0 || body !== null ? "a tunnel for a request of HTTP/1.0 or with content" : null;
  }
  if (!Number.isInteger(status) || status < 200 || status > 599) return `status ${status}`;
  if (lengthBytes === null || isHead || isBare(status) || status === RESET_CONTENT || isSource(reply.body)) return null;
  const heldBytes = heldLength(reply.body);
  return heldBytes === lengthBytes ? null : `content of ${heldBytes} bytes, stated ${lengthBytes}`;
}

/** Whether it is what CONNECT asked for. */
export function isConnectTunnel(tunnel: Tunnel | HandOver): boolean {
  return "address" in tunnel || tunnel.protocol === null;
}

/** Whether content is read as the client takes it. */
export function isSource(body: Reply["body"]): body is BodySource {
  return body !== null && !(body instanceof Uint8Array) && "read" in body;
}

/** The reply where a handler failed. */
export const INTERNAL_ERROR: Reply = {
  status: 500,
  fixed: null,
  lines: "Content-Type: text/plain\r\n",
  hasDate: false,
  lengthBytes: 22,
  body: new Uint8Array(Buffer.from("Internal Server Error\n", "latin1")),
  closes: true,
  onEnd: null,
};

/** The properties of a connection that its reply's head depends on. */
export interface OwnLines {
  readonly lengthBytes: number | null;
  readonly framing: ReplyFraming;
  /** The connection ends after the reply. */
  readonly closes: boolean;
  /** For a reply without one. */
  readonly dateLine: string;
}

/** The lines of a head after `fixed`: the reply's, the server's, and the closing empty line. */
export function restOfHead(reply: Reply, minor: number, { lengthBytes, framing, closes, dateLine }: OwnLines): string {
  const lines = reply.hasDate ? reply.lines : reply.lines + dateLine;
  if (framing === "length" && minor !== 0 && !closes) return `${lines}Content-Length: ${lengthBytes}\r\n\r\n`;
  if (reply.tunnel !== undefined) {
    const { protocol } = { protocol: null, ...reply.tunnel };
    return protocol === null ? `${lines}\r\n` : `${lines}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
  }
  let own = "";
  if (framing === "length") own += `Content-Length: ${lengthBytes}\r\n`;
  else if (framing === "chunked") own += "Transfer-Encoding: chunked\r\n";
  if (closes) own += "Connection: close\r\n";
  else if (minor === 0) own += "Connection: keep-alive\r\n";
  return `${lines}${own}\r\n`;
}

/** Bytes that {@linkcode writeHead} needs at most. */
export function headRoom(reply: Reply): number {
  return OWN_LINES_BYTES + (reply.fixed?.length ?? 0) + reply.lines.length + protocolLength(reply);
}

function protocolLength({ tunnel }: Reply): number {
  return tunnel === undefined || "address" in tunnel ? 0 : tunnel.protocol?.length ?? 0;
}

/**
 * Writes the head of a reply; `rest` comes from {@linkcode restOfHead}.
 *
 * @returns the index behind it
 */
export function writeHead(reply: Reply, rest: string, into: Uint8Array): number {
  const status = statusBytes[reply.status] ?? makeStatusBytes(reply.status);
  into.set(status);
  let at = status.length;
  if (reply.fixed !== null) {
    into.set(reply.fixed, at);
    at += reply.fixed.length;
  }
  return writeLatin1(rest, into, at);
}

function makeStatusBytes(status: number): Uint8Array {
  return statusBytes[status] = new Uint8Array(Buffer.from(statusLine(status), "latin1"));
}

/** The `Date` field, made once a second (RFC 9110 §6.6.1). */
export class DateLine {
  readonly #clock: Clock;
  #second = NaN;
  #line = "";

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  text(): string {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#line = `Date: ${formatHttpDate(second * 1000)}\r\n`;
    }
    return this.#line;
  }
}
