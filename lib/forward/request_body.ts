import { GatewayError } from "../errors.ts";
import { refusedMessage } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { concat } from "../request/gathered_body.ts";
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
  if (body.lengthBytes === null) return new BoundedBody(body, limitBytes);
  if (body.lengthBytes > limitBytes) throw tooLarge(limitBytes);
  return body;
}

/** Content of a length that is not stated, as far as it is allowed to go. */
class BoundedBody implements BodySource {
  readonly lengthBytes = null;
  readonly #body: BodySource;
  readonly #limitBytes: number;
  #bytes = 0;

  constructor(body: BodySource, limitBytes: number) {
    this.#body = body;
    this.#limitBytes = limitBytes;
  }

  get trailers(): BodySource["trailers"] {
    return this.#body.trailers;
  }

  async read(): Promise<Uint8Array | null> {
    const chunk = await this.#body.read();
    this.#bytes += chunk?.byteLength ?? 0;
    if (this.#bytes <= this.#limitBytes) return chunk;
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

/** Larger bodies are not read: types look for a few words. */
const PEEKED_BYTES = 16 * 1024;

/**
 * The client's content, unchanged; its text is set as `exchange.bodyText` where the type reads it.
 *
 * @throws {GatewayError} `bad_request` where it breaks off; what the server refuses it with: malformed, or too slow
 */
export async function peekedBody(exchange: Exchange, body: BodySource | null): Promise<BodySource | null> {
  const { type } = exchange.tenant;
  if (body === null || body.lengthBytes === null || body.lengthBytes > PEEKED_BYTES) return body;
  if (!type.readsBody(exchange)) return body;
  const bytes = await exchange.during("request", readAll(body));
  exchange.bodyText = new TextDecoder().decode(bytes);
  return bytesBody(bytes);
}

async function readAll(body: BodySource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) {
      // A chunk is lent until the next read.
      chunks.push(chunk.slice());
      bytes += chunk.byteLength;
    }
  } catch (cause) {
    if (cause instanceof WireError) throw refusedMessage(cause);
    const failure = new UpstreamFailure("aborted", "The client has left", false, { cause });
    throw new GatewayError("bad_request", "The request body broke off", { cause: failure });
  }
  return concat(chunks, bytes);
}
