import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import type { RequestBody } from "../upstream_client/transport.ts";

/**
 * The client's body on its way to an upstream, bounded by `server.max_request_body`; `null` where there is none. Its framing
 * is made anew: nothing of the client's is copied (RFC 9112 §6).
 *
 * @throws {GatewayError} `request_too_large` when `Content-Length` says so
 */
export function requestBody(exchange: Exchange): RequestBody | null {
  const declared = exchange.header("content-length");
  const stream = exchange.request.body;
  if (stream === null || (declared === null && exchange.header("transfer-encoding") === null)) return null;
  const limitBytes = exchange.services.settings.maxRequestBodyBytes;
  const lengthBytes = declared === null ? null : Number(declared);
  if (lengthBytes === null) return { stream: stream.pipeThrough(boundedBy(limitBytes)), lengthBytes };
  if (lengthBytes > limitBytes) throw tooLarge(limitBytes);
  return { stream, lengthBytes };
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
