import { GatewayError } from "../errors.ts";
import { concat } from "../request/gathered_body.ts";
import { refusedMessage } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import { type BodySource, bytesBody } from "../wire/body_source.ts";
import { WireError } from "../wire/wire_error.ts";

/** Larger bodies are not looked into: what types look for are a few words. */
const PEEKED_BYTES = 16 * 1024;

/**
 * The client's content, looked into where the type wants to know what it says (`exchange.bodyText`), and still whole.
 *
 * @throws {GatewayError} `bad_request` where it breaks off; what the server refuses it with: malformed, or too slow
 */
export async function peekedBody(exchange: Exchange, body: BodySource | null): Promise<BodySource | null> {
  const { type } = exchange.tenant;
  if (body === null || body.lengthBytes === null || body.lengthBytes > PEEKED_BYTES) return body;
  if (!type.readsBody(exchange)) return body;
  const bytes = await readAll(body);
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
