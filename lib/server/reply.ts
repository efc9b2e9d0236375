import type { BodySource } from "../wire/body_source.ts";
import type { ByteStream } from "../wire/byte_stream.ts";
import type { Arrival } from "./arrival.ts";

/** How a reply ended. */
export interface ReplyEnd {
  /** Content bytes handed to the socket; in a tunnel those towards the client. */
  readonly bytes: number;
  /** The client left, or stopped reading, before the end. */
  readonly aborted: boolean;
  /** Why its body broke off; `null` where it did not. */
  readonly error: unknown;
}

/**
 * A response as a value; the server alone turns it into bytes. Its field lines hold none of `Connection`, `Keep-Alive`,
 * `Content-Length`, `Transfer-Encoding`, `Trailer` and `Upgrade`: the server writes those itself, and leaves the content out where
 * method or status forbid it (RFC 9112 §6).
 */
export interface Reply {
  /** 200 to 599, or 101 with a `tunnel` to another protocol. */
  readonly status: number;
  /** Field lines as bytes, each `name: value\r\n`, never changed; `null` where there are none. */
  readonly fixed: Uint8Array | null;
  /** Further field lines as text of Latin-1 characters, each with its `\r\n`. */
  readonly lines: string;
  /** Whether one of the lines is `Date`; else the server adds it. */
  readonly hasDate: boolean;
  /** Length of the content, also where it is not sent (`HEAD`); `null` where it is not known. */
  readonly lengthBytes: number | null;
  /** In memory: one or several pieces in order, written without a copy where they are large. Or read as the client takes it. `null` for none. */
  readonly body: Uint8Array | readonly Uint8Array[] | BodySource | null;
  /** Whose turns of the event loop its content takes: a listener's name. */
  readonly lane?: string;
  /** The connection ends after this reply. */
  readonly closes?: boolean;
  /** What the connection goes on as: with status 101 another protocol (RFC 9110 §7.8), with 200 what CONNECT asked for (§9.3.6). */
  readonly tunnel?: Tunnel | HandOver;
  /** Called exactly once, when all was written or cannot be; `null` for none. Must not throw. */
  readonly onEnd: ((end: ReplyEnd) => void) | null;
}

/** A connection whose bytes are passed on. */
export interface Tunnel {
  /** Value of `Upgrade` in the 101 response; `null` for CONNECT. */
  readonly protocol: string | null;
  /** The upstream's side. The server closes it. */
  readonly stream: ByteStream;
  /** Without a byte in either direction for so long, the tunnel is closed. */
  readonly idleMs: number;
}

/** A connection that goes on, behind its 200 to CONNECT, as one that has just been accepted on an address with TLS of the same server. */
export interface HandOver {
  /** The address as bound; where it is not served any more, the connection is closed. */
  readonly address: string;
}

/** Serves one request. The server answers 500 where it throws. */
export type Handler = (arrival: Arrival) => Reply | Promise<Reply>;
