import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import type { BodySource } from "../wire/body_source.ts";

/**
 * The client's body on its way to an upstream, bounded by `server.max_request_body`; `null` where there is none. Its framing
 * is made anew: nothing of the client's is copied (RFC 9112 §6).
 *
 * @throws {GatewayError} `request_too_large` when `Content-Length` says so
 */
export function requestBody(exchange: Exchange): BodySource | null {
  const declared = exchange.header("content-length");
  const stream = exchange.request.body;
  if (stream === null || (declared === null && exchange.header("transfer-encoding") === null)) return null;
  const limitBytes = exchange.services.settings.maxRequestBodyBytes;
  const lengthBytes = declared === null ? null : Number(declared);
  if (lengthBytes === null) return streamSource(stream.pipeThrough(boundedBy(limitBytes)), null);
  if (lengthBytes > limitBytes) throw tooLarge(limitBytes);
  return streamSource(stream, lengthBytes);
}

/** A stream as a body that is asked for its chunks; its reader is taken with the first one. */
export function streamSource(stream: ReadableStream<Uint8Array>, lengthBytes: number | null): BodySource {
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  return {
    lengthBytes,
    async read() {
      const { done, value } = await (reader ??= stream.getReader()).read();
      return done ? null : value;
    },
    cancel: () => void (reader ??= stream.getReader()).cancel().catch(() => {}),
  };
}

function boundedBy(limitBytes: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > limitBytes) controller.error(tooLarge(limitBytes));
      else controller.enqueue(chunk);
    },
  });
}

function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError("request_too_large", `The request body is larger than ${limitBytes} bytes`, {
    hint: "The limit is server.max_request_body",
  });
}
