import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import { UpstreamFailure } from "../upstream_client/transport.ts";
import type { BodySource } from "../wire/body_source.ts";
import { streamSource } from "./request_body.ts";

/** Larger bodies are not looked into: what types look for are a few words. */
const PEEKED_BYTES = 16 * 1024;

/**
 * The client's body, looked into where the type wants to know what it says (`exchange.bodyText`), and still whole.
 *
 * @throws {GatewayError} `bad_request` where it breaks off or does not come within the pool's `timeouts.idle`
 */
export async function peekedBody(exchange: Exchange, body: BodySource | null): Promise<BodySource | null> {
  const { type, pool } = exchange.tenant;
  if (body === null || body.lengthBytes === null || body.lengthBytes > PEEKED_BYTES) return body;
  if (type.readsBody?.(exchange) !== true) return body;
  const bytes = await readWithin(body, pool.idleMs);
  exchange.bodyText = new TextDecoder().decode(bytes);
  return streamSource(new Blob([bytes]).stream(), bytes.byteLength);
}

async function readWithin(body: BodySource, waitMs: number): Promise<Uint8Array<ArrayBuffer>> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    body.cancel();
  }, waitMs);
  try {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let chunk = await body.read(); chunk !== null; chunk = await body.read()) chunks.push(new Uint8Array(chunk));
    if (!isLate) return await new Blob(chunks).bytes();
  } catch (cause) {
    if (!isLate) {
      const failure = new UpstreamFailure("aborted", "The client has left", false, { cause });
      throw new GatewayError("bad_request", "The request body broke off", { cause: failure });
    }
  } finally {
    clearTimeout(timer);
  }
  throw new GatewayError("bad_request", "The request body did not come in time");
}
