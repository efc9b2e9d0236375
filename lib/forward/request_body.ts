import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import type { BodySource } from "../wire/body_source.ts";

/**
 * The client's content on its way to an upstream, bounded by `max_request_body`; `null` where there is none. Its framing is made anew:
 * nothing of the client's is copied (RFC 9112 §6).
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
