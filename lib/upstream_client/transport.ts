import type { Fields } from "../http/fields.ts";
import type { BodySource } from "../wire/body_source.ts";
import type { ByteStream } from "../wire/byte_stream.ts";

/** One request as it goes on the wire. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query, sent byte for byte. */
  readonly target: string;
  /** End-to-end fields with `host`, without framing fields: the transport frames the body itself. */
  readonly fields: Readonly<Fields>;
  /** Of no stated length it goes chunked, its trailers behind it. */
  readonly body: BodySource | null;
}

/** How long each step of one try may take, in milliseconds. */
export interface Deadlines {
  /** Name look-up, TCP and TLS together. */
  readonly connectMs: number;
  /** From the request's last byte sent to the response's field section. */
  readonly firstByteMs: number;
  /** Between two chunks of a body, either way. */
  readonly idleMs: number;
}

/** What one try may do and for how long. */
export interface SendOptions {
  readonly deadlines: Deadlines;
  /** Ends the try: the connection is closed, the promise rejects with a failure of kind `aborted`. */
  readonly signal?: AbortSignal;
  /** The request may have an effect whatever its method: it never goes out a second time, not even when its connection dies. */
  readonly once?: boolean;
  /** Called for each interim response but 100 and 101 (RFC 9110 §15.2), hop-by-hop fields included. Must not throw. */
  readonly onInterim?: (status: number, fields: Readonly<Fields>) => void;
  /** Says `TE: trailers`: whoever reads the response takes its trailer section (RFC 9110 §10.1.4). */
  readonly wantsTrailers?: boolean;
  /** Asks to go on in this protocol (RFC 9110 §7.8): an upstream that agrees answers 101 with a `tunnel`. Not with a body. */
  readonly upgrade?: string;
}

/** Safe methods of which a server does not mind one more (RFC 9110 §9.2.2). */
const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a request may go out a second time because the connection that it went out on turned out to be dead. */
export function mayGoAgain(request: UpstreamRequest, options: Pick<SendOptions, "once" | "upgrade">): boolean {
  if (request.body !== null || options.once === true || options.upgrade !== undefined) return false;
  return REPEATABLE.has(request.method);
}

/** A response body, read once from front to end. */
export interface UpstreamBody {
  /**
   * From `Content-Length`; `null` when chunked or ended by the connection's close; 0 where there is no content, as after
   * HEAD and with 204 and 304, whatever their fields say.
   */
  readonly lengthBytes: number | null;
  /**
   * The next chunk, or `null` after a complete end. The chunk is the caller's: its memory is not used again.
   *
   * @throws {UpstreamFailure} `truncated`, `idle_timeout`, `reset`, `protocol` or `aborted`
   */
  read(): Promise<Uint8Array | null>;
  /**
   * As {@linkcode read}, but the chunk is lent: it is valid until the next call only, and costs no memory of its own. Absent
   * where a body has nothing cheaper than `read`, which then stands in for it.
   *
   * @throws {UpstreamFailure} as {@linkcode read}
   */
  lend?(): Promise<Uint8Array | null>;
  /**
   * All of the content, where it came with the field section and nothing of it has been read; else `null` or absent. It is the
   * caller's, and the connection is free already. Whoever takes it has no need to read.
   */
  readonly whole?: Uint8Array<ArrayBuffer> | null;
  /** The trailer section, once the content has ended (RFC 9110 §6.5); `null` or absent where there was none. */
  readonly trailers?: Readonly<Fields> | null;
  /**
   * The whole body in one array of its exact size.
   *
   * @throws {UpstreamFailure} as {@linkcode read}; `too_large` when it holds more than `limitBytes`
   */
  readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Gives up the rest and the connection with it. Safe to call twice and after the end. */
  cancel(): void;
}

/** A response whose field section has arrived and whose body has not been read. */
export interface UpstreamResponse {
  readonly status: number;
  /** As received, names in lower case, values as Latin-1 text, hop-by-hop fields included. */
  readonly fields: Fields;
  readonly body: UpstreamBody;
  /**
   * With status 101, for a request that asked for it: the connection, which speaks the other protocol from here on. It gives
   * first what came behind the field section. It counts as open until its taker closes it; `body.cancel` does that too.
   */
  readonly tunnel?: ByteStream;
  /** Milliseconds since the Unix epoch at which the field section was complete. */
  readonly receivedAtMs: number;
}

/** What went wrong in a try, from the first look-up to the body's last byte. */
export type FailureKind =
  /** The name has no address. */
  | "resolve"
  /** A public name resolved to private addresses only. */
  | "refused_address"
  /** No address took the connection, or too many requests wait for one already. */
  | "connect"
  | "tls"
  /** The egress proxy cannot be reached, refuses, or does not speak its protocol. */
  | "proxy"
  /** No connection within `connectMs`, the wait for a free one included. */
  | "connect_timeout"
  | "first_byte_timeout"
  /** The upstream sent, or took, nothing within `idleMs`. */
  | "idle_timeout"
  /** The connection broke, or closed before the field section was complete. */
  | "reset"
  /** The connection closed before the end of the body. */
  | "truncated"
  /** The response breaks the grammar. */
  | "protocol"
  /** The content is there as a whole, and not what its type says. */
  | "content"
  /** The request cannot be written: it would break the grammar, or is one that the transport does not carry. Nothing was sent. */
  | "unsendable"
  /** The body is over the limit of `readAll`. */
  | "too_large"
  /** On our side: by the signal, by `cancel`, by a request body that failed, stalled or was not of its length. */
  | "aborted";

/** A try that failed below HTTP. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";

  constructor(
    readonly kind: FailureKind,
    message: string,
    /** Whether the upstream may have seen the request: `false` means that not one byte of it was written. */
    readonly requestSent: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What a transport holds at this moment. */
export interface TransportStats {
  readonly open: number;
  readonly idle: number;
}

/** Sends requests to one upstream; owns its connections. */
export interface Transport {
  /** @throws {UpstreamFailure} */
  send(request: UpstreamRequest, options: SendOptions): Promise<UpstreamResponse>;
  stats(): TransportStats;
  /**
   * Closes idle connections now and the others as they finish, for an upstream that is leaving; `send` goes on working for
   * requests that began with it.
   */
  retire(): void;
  /** Closes idle connections now and the others as they finish; later `send` calls fail. */
  close(): void;
}
