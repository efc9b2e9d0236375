import type { ByteStream } from "../wire/byte_stream.ts";
import type { WireError } from "../wire/wire_error.ts";
import type { DateLine } from "./_reply_head.ts";
import type { UnsentContent } from "./_unsent_content.ts";
import type { Wheel } from "./_wheel.ts";
import type { Challenges } from "./acme_challenge.ts";
import type { ConnectionFacts } from "./arrival.ts";
import type { PeerSight } from "./peer_sight.ts";
import type { Handler, Reply } from "./reply.ts";
import type { ServerCounts } from "./server_counts.ts";
import type { ServerLimits } from "./server_limits.ts";

/** State that the connections of a server share. */
export interface ConnectionContext {
  readonly limits: ServerLimits;
  /** The pending ACME challenges. */
  readonly challenges: Challenges;
  readonly wheel: Wheel;
  readonly counts: ServerCounts;
  readonly peers: PeerSight;
  readonly unsent: UnsentContent;
  readonly date: DateLine;
  /** The reply to a message that breaks the grammar or a limit. */
  refuse(error: WireError): Reply;
  /** A handler threw, or its reply was invalid. */
  onFault(error: unknown): void;
  /** Counts a connection of an address from a PROXY header; `null` where the address is at its limit. */
  enterAddress(address: string): number | null;
  onClosed(connection: ServerConnection): void;
  /** A connection that ends as such, and goes on as one that was accepted on another address. */
  onHandedOver(connection: ServerConnection, next: HandedOver): void;
}

/** What is left of a connection that goes on elsewhere. */
export interface HandedOver {
  readonly stream: ByteStream;
  readonly facts: ConnectionFacts;
  /** Bytes that have come in already. */
  readonly first: Uint8Array;
  /** Where it goes on, as bound. */
  readonly address: string;
}

/** Options of a connection. */
export interface ConnectionOptions {
  readonly stream: ByteStream;
  readonly facts: ConnectionFacts;
  readonly handler: Handler;
  readonly context: ConnectionContext;
  /** The connection begins with a PROXY header. */
  readonly hasProxyHeader: boolean;
}

/** A connection as its server sees it. */
export interface ServerConnection {
  /** Key by which its address is counted. */
  addressKey: number;
  /** Closes it after the reply in progress, or at once where it is idle and `closesIdle`. */
  end(closesIdle: boolean): void;
  /** Closes it at once. */
  close(): void;
}
