import { GatewayError } from "../errors.ts";
import { refusedMessage } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { concat } from "../request/byte_blocks.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { type BodySource, bytesBody } from "../wire/body_source.ts";
import { WireError } from "../wire/wire_error.ts";

/**
 * The client's content for an upstream, bounded by `max_request_body`; `null` where there is none. Its framing is made anew, never copied
 * from the client's (RFC 9112 §6).
 *
 * @throws {GatewayError} `request_too_large` when `Content-Length` says so
 */
export function requestBody(exchange: Exchange): BodySource | null {
  const { body } = exchange.arrival;
  if (body === null) return null;
  const limitBytes = exchange.tenant.maxRequestBodyBytes;
  if (body.lengthBytes === null) return new BoundedBody(exchange, body, limitBytes);
  if (body.lengthBytes > limitBytes) throw tooLarge(limitBytes);
  return body;
}

/** Content of a length that is not stated, as far as it is allowed to go. */
class BoundedBody implements BodySource {
  readonly lengthBytes = null;
  readonly #exchange: Exchange;
  readonly #body: BodySource;
  readonly #limitBytes: number;

  constructor(exchange: Exchange, body: BodySource, limitBytes: number) {
    this.#exchange = exchange;
    this.#body = body;
    this.#limitBytes = limitBytes;
  }

  get trailers(): BodySource["trailers"] {
    return this.#body.trailers;
  }

  async read(): Promise<Uint8Array | null> {
    const chunk = await this.#body.read();
    this.#exchange.contentBytes += chunk?.byteLength ?? 0;
    if (this.#exchange.contentBytes <= this.#limitBytes) return chunk;
    throw tooLarge(this.#limitBytes);
  }

  cancel(): void {
    this.#body.cancel();
  }
}

function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError("request_too_large", `The request body is larger than ${limitBytes} bytes`, {
    hint: "The limit is max_request_body, of the server or of the listener",
  });
}

/** Content up to this size is had as a whole before an upstream is asked, where its length is stated. */
const WHOLE_BYTES = 16 * 1024;

/**
 * The client's content, unchanged, once it has begun to come: a client that sends none holds no connection of an upstream. Small content
 * is there as a whole; its text is set as `exchange.bodyText` where the type reads it.
 *
 * @throws {GatewayError} `bad_request` where it breaks off; what the server refuses it with: malformed, or too slow; `overloaded` where
 * the client has as many uploads under way as it may
 */
export async function begunBody(exchange: Exchange, body: BodySource | null): Promise<BegunBody | null> {
  if (body === null) return null;
  const isSmall = body.lengthBytes !== null && body.lengthBytes <= WHOLE_BYTES;
  if (!isSmall) return await begunUpload(exchange, body);
  const bytes = await exchange.during("request", received(() => readAll(body)));
  const { type } = exchange.tenant;
  if (type.readsBody(exchange)) exchange.bodyText = new TextDecoder().decode(bytes);
  return bytesBody(bytes);
}

/** Content that has begun to come. */
export interface BegunBody extends BodySource {
  /** Gives back the client's place, where it holds one: no upstream will read on. Safe to call twice. */
  leave?(): void;
}

async function begunUpload(exchange: Exchange, body: BodySource): Promise<BegunBody> {
  const first = await exchange.during("request", received(() => body.read()));
  // Its end is read once more, and its trailers then.
  if (first === null) return body;
  const leave = exchange.tenant.pool.uploads.take(exchange.client);
  if (leave !== null) return new BegunUpload(body, first, leave);
  body.cancel();
  throw new GatewayError("overloaded", "Too many uploads of this client are under way", {
    hint: "Try again when one of them has ended; a client may hold a quarter of the pool's connections with uploads",
  });
}

/** Content whose first chunk has come. It holds a place of its client until it has all come, or breaks off. */
class BegunUpload implements BegunBody {
  readonly lengthBytes: number | null;
  readonly leave: () => void;
  readonly #body: BodySource;
  /** Lent until the next read of the body, which comes after it has been handed out. */
  #first: Uint8Array | null;
  #bytes = 0;

  constructor(body: BodySource, first: Uint8Array, leave: () => void) {
    this.lengthBytes = body.lengthBytes;
    this.leave = leave;
    this.#body = body;
    this.#first = first;
  }

  get trailers(): BodySource["trailers"] {
    return this.#body.trailers;
  }

  async read(): Promise<Uint8Array | null> {
    try {
      const chunk = this.#first ?? await this.#body.read();
      this.#first = null;
      this.#bytes += chunk?.byteLength ?? 0;
      if (chunk === null || this.#bytes === this.lengthBytes) this.leave();
      return chunk;
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  cancel(): void {
    this.leave();
    this.#body.cancel();
  }
}

/** What is read of a client's content, its failures as errors for the client. */
async function received<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    if (cause instanceof WireError) throw refusedMessage(cause);
    const failure = new UpstreamFailure("aborted", "The client has left", false, { cause });
    throw new GatewayError("bad_request", "The request body broke off", { cause: failure });
  }
}

async function readAll(body: BodySource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) {
    // A chunk is lent until the next read.
    chunks.push(chunk.slice());
    bytes += chunk.byteLength;
  }
  return concat(chunks, bytes);
}
