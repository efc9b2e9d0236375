import { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import { type RequestBody, UpstreamFailure } from "../upstream_client/transport.ts";

/** Larger bodies are not looked into: what types look for are a few words. */
const PEEKED_BYTES = 16 * 1024;

/**
 * The client's body, looked into where the type wants to know what it says (`exchange.bodyText`), and still whole.
 *
 * @throws {GatewayError} `bad_request` where it breaks off or does not come within the pool's `timeouts.idle`
 */
export async function peekedBody(exchange: Exchange, body: RequestBody | null): Promise<RequestBody | null> {
  const { type, pool } = exchange.tenant;
  if (body === null || body.lengthBytes === null || body.lengthBytes > PEEKED_BYTES) return body;
  if (type.readsBody?.(exchange) !== true) return body;
  const bytes = await readWithin(body.stream, pool.idleMs);
  exchange.bodyText = new TextDecoder().decode(bytes);
  return { stream: new Blob([bytes]).stream(), lengthBytes: bytes.byteLength };
}

async function readWithin(stream: RequestBody["stream"], waitMs: number): Promise<Uint8Array<ArrayBuffer>> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), waitMs);
  try {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    const sink = new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(new Uint8Array(chunk)) });
    await stream.pipeTo(sink, { signal: late.signal });
    return await new Blob(chunks).bytes();
  } catch (cause) {
    if (late.signal.aborted) throw new GatewayError("bad_request", "The request body did not come in time");
    const failure = new UpstreamFailure("aborted", "The client has left", false, { cause });
    throw new GatewayError("bad_request", "The request body broke off", { cause: failure });
  } finally {
    clearTimeout(timer);
  }
}
