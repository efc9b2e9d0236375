import type { Fields } from "../http/fields.ts";
import type { FieldList } from "../http/request_fields.ts";
import type { BodySource } from "../wire/body_source.ts";

/** Properties of a client's connection. */
export interface ConnectionFacts {
  /** IP address of the other end, IPv4 never in its IPv6 form; `unix` for a unix socket. From a PROXY header where a trusted peer sends one. */
  readonly peer: string;
  /** Whether the connection itself is encrypted. */
  readonly scheme: "http" | "https";
}

/** The fields of a request. */
export type ArrivalFields = FieldList;

/** One request as received. Valid until its reply has been written. */
export interface Arrival {
  /** As sent: methods are case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** The request target as sent, in any of its four forms, but with bytes 0x80–0xFF as `%XX` (RFC 9112 §3.2). */
  readonly target: string;
  /** Minor version of HTTP/1: 0 or 1; 2 stands for HTTP/2. */
  readonly minor: number;
  readonly fields: FieldList;
  /** `null` where the message has no content. Its first `read` sends `100 Continue` where the client waits for that. */
  readonly body: BodySource | null;
  readonly connection: ConnectionFacts;
  /** Aborted when the client has left before its reply was complete. Made when it is first asked for. */
  readonly signal: AbortSignal;
  /** Whether the client has left. Costs nothing to ask. */
  readonly isGone: boolean;
  /** Sends an interim response (RFC 9110 §15.2) where the protocol has them; does nothing elsewhere. */
  interim(status: number, fields: Readonly<Fields>): void;
}
