import type { Fields } from "../http/fields.ts";
import type { BodySource } from "../wire/body_source.ts";
import type { ByteStream } from "../wire/byte_stream.ts";

/** One request for an upstream. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query, sent byte for byte. */
  readonly target: string;
  /** End-to-end fields with `host`, without framing fields: the transport frames the body itself. */
  readonly fields: Readonly<Fields>;
  /** A body without a stated length is sent chunked, with its trailers. */
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

/** Where content is counted as it comes in, framing and field sections left out, whether or not it is ever read to its end. */
export interface ContentMeter {
  receivedBytes: number;
}

/** Deadlines and options of one try. */
export interface SendOptions {
  readonly deadlines: Deadlines;
  /** Ends the try: the connection is closed, and the promise rejects with kind `aborted`. */
  readonly signal?: AbortSignal;
  /** The request may have an effect even with a safe method: it is never sent twice, not even when its connection dies. */
  readonly once?: boolean;
  readonly meter?: ContentMeter;
  /** Whose turns of the event loop its content takes: a listener's name. */
  readonly lane?: string;
  /**
   * Called when there is a connection and the request is about to be written, again where it is sent a second time. Must not throw.
   * Over HTTP/2 that is not known: it is called at the start.
   */
  readonly onConnection?: () => void;
  /** Called for each interim response but 100 and 101 (RFC 9110 §15.2), hop-by-hop fields included. Must not throw. */
  readonly onInterim?: (status: number, fields: Readonly<Fields>) => void;
  /** Sends `TE: trailers`: the reader of the response takes its trailer section (RFC 9110 §10.1.4). */
  readonly wantsTrailers?: boolean;
  /** Asks to switch to this protocol (RFC 9110 §7.8): an upstream that agrees answers 101 with a `tunnel`. Not with a body. */
  readonly upgrade?: string;
}

/** Safe methods that may be repeated (RFC 9110 §9.2.2). */
const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a request may be sent a second time because its connection turned out to be dead. */
export function mayGoAgain(request: UpstreamRequest, options: Pick<SendOptions, "once" | "upgrade">): boolean {
  if (request.body !== null || options.once === true || options.upgrade !== undefined) return false;
  return REPEATABLE.has(request.method);
}

/** A response body, read once from front to end. */
export interface UpstreamBody {
  /**
   * From `Content-Length`; `null` when chunked or ended by the connection's close; 0 where there is no content, as after HEAD and
   * with 204 and 304, even if their fields state one.
   */
  readonly lengthBytes: number | null;
  /**
   * The next chunk, or `null` after a complete body. The caller owns the chunk.
   *
   * @throws {UpstreamFailure} `truncated`, `idle_timeout`, `reset`, `protocol` or `aborted`
   */
  read(): Promise<Uint8Array | null>;
  /**
   * As {@linkcode read}, but the chunk is lent: it is valid until the next call, and costs no memory. Absent where `read` is as
   * cheap, and used instead.
   *
   * @throws {UpstreamFailure} as {@linkcode read}
   */
  lend?(): Promise<Uint8Array | null>;
  /**
   * All of the content, where it came with the field section and none of it has been read; else `null` or absent. The caller owns
   * it, and the connection is free already.
   */
  readonly whole?: Uint8Array<ArrayBuffer> | null;
  /** The trailer section after the end of the content (RFC 9110 §6.5); `null` or absent for none. */
  readonly trailers?: Readonly<Fields> | null;
  /**
   * The whole body in one array of its exact size.
   *
   * @throws {UpstreamFailure} as {@linkcode read}; `too_large` when it holds more than `limitBytes`
   */
  readAll(limitBytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Drops the rest of the body, and its connection. Idempotent, also after the end. */
  cancel(): void;
}

/** The next chunk of a body, lent where the body can lend: for who has copied or sent it before the next call. @throws as `read` */
export function lendChunk(body: UpstreamBody): Promise<Uint8Array | null> {
  return body.lend === undefined ? body.read() : body.lend();
}

/** A response whose field section has arrived and whose body has not been read. */
export interface UpstreamResponse {
  readonly status: number;
  /** As received, names in lower case, values as Latin-1 text, hop-by-hop fields included. */
  readonly fields: Fields;
  readonly body: UpstreamBody;
  /**
   * With status 101, the connection in its new protocol, beginning with the bytes behind the field section. It counts as open
   * until it is closed; `body.cancel` closes it too.
   */
  readonly tunnel?: ByteStream;
  /** Milliseconds since the Unix epoch at which the field section was complete. */
  readonly receivedAtMs: number;
}

/** Kind of a failed try, from the first look-up to the body's last byte. */
export type FailureKind =
  /** The name has no address. */
  | "resolve"
  /** A public name resolved to private addresses only. */
  | "refused_address"
  /** No address accepted the connection. */
  | "connect"
  /** All connections that the gateway may have are in use, and stayed so, or too many requests wait for one. */
  | "crowded"
  | "tls"
  /** The egress proxy cannot be reached, refuses, or does not speak its protocol. */
  | "proxy"
  /** No connection within `connectMs`. */
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
  /** The content is complete, but not what its type says. */
  | "content"
  /** The request cannot be written: it would break the grammar, or the transport does not carry it. Nothing was sent. */
  | "unsendable"
  /** The body is over the limit of `readAll`. */
  | "too_large"
  /** Ended on our side: by the signal, by `cancel`, or by a request body that failed, stalled or had a wrong length. */
  | "aborted";

/** A try that failed below HTTP. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";

  constructor(
    readonly kind: FailureKind,
    message: string,
    /** Whether the upstream may have seen the request: `false` means that no byte of it was written. */
    readonly requestSent: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Connections of a transport. */
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
   * Closes idle connections now and the others as they finish, for an upstream that was removed; requests that began with it may
   * still `send`.
   */
  retire(): void;
  /** Closes idle connections now and the others as they finish; later `send` calls fail. */
  close(): void;
}
