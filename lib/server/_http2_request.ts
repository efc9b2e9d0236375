import type { BodySource } from "../wire/body_source.ts";
import { parseContentLength, requireHost } from "../wire/request_head.ts";
import { WireError } from "../wire/wire_error.ts";
import type { Arrival } from "./arrival.ts";
import { splitUrl } from "./fetch_adapter.ts";
import type { ServerLimits } from "./server_limits.ts";

/** Turns of the event loop behind the end of content that an abort has to come; it takes one. */
const ABORT_TURNS = 3;

/**
 * Checks an HTTP/2 request for errors that HTTP/1.1 refuses and the runtime accepts. `ownAuthority` is the runtime's default for requests
 * without a host.
 *
 * @throws {WireError} 400 where it is malformed; 413, 414 and 431 over a limit
 */
export function checkHttp2Request(
  request: Request,
  arrival: Arrival,
  { limits, ownAuthority }: { readonly limits: ServerLimits; readonly ownAuthority: string },
): void {
  const host = request.headers.get("host");
  const { authority } = splitUrl(request.url);
  const named = authority === ownAuthority ? host : authority;
  if (named === null) throw new WireError(400, "Host is missing");
  // RFC 9113 §8.3.1: what routes a request is `:authority`, and `Host` cannot say another thing.
  if (host !== null && host.toLowerCase() !== named.toLowerCase()) {
    throw new WireError(400, "Host is not what :authority says");
  }
  requireHost(named);
  const length = request.headers.get("content-length");
  if (length !== null) parseContentLength(length);
  // The runtime drops the content: another request would be answered.
  if (request.body === null && Number(length) > 0) {
    throw new WireError(400, `Content of ${request.method} is not taken over HTTP/2`);
  }
  checkLimits(arrival, limits);
}

function checkLimits({ target, fields }: Arrival, limits: ServerLimits): void {
  if (target.length > limits.targetBytes) throw new WireError(414, `The target is over ${limits.targetBytes} bytes`);
  const list = fields.list();
  if (list.length > limits.maxFields) throw new WireError(431, `There are over ${limits.maxFields} fields`);
  let bytes = 0;
  for (const [name, value] of list) bytes += name.length + value.length + 4;
  if (bytes > limits.fieldsBytes) throw new WireError(431, `The fields are over ${limits.fieldsBytes} bytes`);
}

/**
 * The same content, whose end is believed only where the client has not given up the request: where it did so without calling that an
 * error (`CANCEL`, RFC 9113 §7), the runtime first ends the content as if it were whole, and then aborts `signal` (Deno 2.9.6). A wrong
 * length tells by itself.
 */
export function wholeContent(content: BodySource, signal: AbortSignal): BodySource {
  if (content.lengthBytes !== null) return content;
  const read = async () => {
    const chunk = await content.read();
    if (chunk !== null) return chunk;
    for (let turn = 0; turn < ABORT_TURNS && !signal.aborted; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (signal.aborted) throw new Error("The client gave up the request before its content was whole");
    return null;
  };
  return { lengthBytes: null, read, cancel: () => content.cancel() };
}

/**
 * Content of unknown length; `null` where it is empty: the runtime does not say whether a request ended with its fields, and an upstream
 * should not get empty content.
 *
 * @throws {Error} as reading it does
 */
export async function contentIfAny(content: BodySource): Promise<BodySource | null> {
  if (content.lengthBytes !== null) return content;
  let first = await content.read();
  if (first === null) return null;
  const read = () => {
    const chunk = first;
    first = null;
    return chunk === null ? content.read() : Promise.resolve(chunk);
  };
  return { lengthBytes: null, read, cancel: () => content.cancel() };
}
