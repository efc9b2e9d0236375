import type { ScriptedExchange, ScriptedHead } from "../origins/scripted_origin.ts";
import type { TestConfig } from "../system/test_config.ts";

/** Rows that are tried on one gateway. */
export interface FieldSheet {
  readonly name: string;
  /** The origins in front of which the gateway stands, the first being `0`. */
  readonly origins: number;
  /** The configuration, given the addresses of the origins. */
  readonly config: (origins: readonly string[]) => TestConfig;
  readonly rows: readonly FieldRow[];
  /** No row may count against an upstream. */
  readonly isHarmless?: true;
}

/** One thing that users ran into: what a client sends, what the origin answers, and what must hold. */
export interface FieldRow {
  /** The line of the list that it belongs to, such as `A1`. */
  readonly line: string;
  readonly name: string;
  /** What the tree before the change gave. */
  readonly before: string;
  /** Whether that fell short. */
  readonly fellShort: boolean;
  /** The bytes of each request, as Latin-1 text, one after the other, each on a connection of its own. */
  readonly requests: readonly string[];
  /** The requests are sent all at once. */
  readonly isAtOnce?: true;
  /** The origin's part; else it answers 200, fresh for a minute, with what it was asked. */
  readonly answer?: (asked: Asked) => Promise<void>;
  /** The requests go to the admin address, as each does whose `Host` is `127.0.0.1`. */
  readonly isAdmin?: true;
  /** The client leaves when it has read so many bytes of a response. */
  readonly leavesAfterBytes?: number;
  /** Throws where it does not hold. */
  readonly holds: (seen: Seen) => void | Promise<void>;
}

/** One request as the origin got it, with a hand on its connection. */
export interface Asked {
  readonly exchange: ScriptedExchange;
  readonly body: string;
  /** The number of the origin that was asked. */
  readonly origin: number;
}

/** What came of a row. */
export interface Seen {
  /** One for each request. */
  readonly responses: readonly FieldResponse[];
  /** The requests that reached the origin meanwhile. */
  readonly asked: readonly OriginRequest[];
}

/** What a client got. */
export interface FieldResponse {
  readonly status: number;
  readonly body: Uint8Array;
  /** A value by its lower-case name; lines are joined. */
  field(name: string): string | null;
}

/** A request at the origin: its head, and its content as Latin-1 text. */
export interface OriginRequest extends ScriptedHead {
  readonly body: string;
  readonly origin: number;
}

/** Content as text. */
export function textOf({ body }: FieldResponse): string {
  return new TextDecoder().decode(body);
}

/** A request's bytes: the request line, `Host`, and more field lines; its connection is to be closed. */
export function asking(first: string, host: string, lines: readonly string[] = [], body = ""): string {
  return [`${first} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...lines, "", body].join("\r\n");
}

/** UTF-8 bytes as Latin-1 text. */
export function rawBytes(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** Every character from 0x80 to 0xFF. */
export const HIGH_BYTES = String.fromCharCode(...Array.from({ length: 128 }, (_, index) => 0x80 + index));

/** The same, percent-encoded. */
export const ESCAPED_HIGH_BYTES = Array.from(
  HIGH_BYTES,
  (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
).join("");
