import type { ByteStream } from "../wire/byte_stream.ts";
import type { WireError } from "../wire/wire_error.ts";
import type { DateLine } from "./_reply_head.ts";
import type { Wheel } from "./_wheel.ts";
import type { Challenges } from "./acme_challenge.ts";
import type { ConnectionFacts } from "./arrival.ts";
import type { Handler, Reply } from "./reply.ts";
import type { ServerCounts } from "./server_counts.ts";
import type { ServerLimits } from "./server_limits.ts";

/** What the connections of a server share. */
export interface ConnectionContext {
  readonly limits: ServerLimits;
  /** What authorities ask for at this moment. */
  readonly challenges: Challenges;
  readonly wheel: Wheel;
  readonly counts: ServerCounts;
  readonly date: DateLine;
  /** The reply to a message that breaks the grammar or a limit. */
  refuse(error: WireError): Reply;
  /** A handler threw, or its reply broke its word. */
  onFault(error: unknown): void;
  /** Counts one more connection of an address that a PROXY header named; `null` where it has as many as it may. */
  enterAddress(address: string): number | null;
  onClosed(connection: ServerConnection): void;
}

/** What a connection is made of. */
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
  /** What its address is counted by. */
  addressKey: number;
  /** Ends it behind the reply that is under way, or at once where it is idle and `closesIdle`. */
  end(closesIdle: boolean): void;
  /** Ends it at once. */
  close(): void;
}
