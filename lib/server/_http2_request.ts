import type { BodySource } from "../wire/body_source.ts";
import { requireHost } from "../wire/request_head.ts";
import { WireError } from "../wire/wire_error.ts";
import type { Arrival } from "./arrival.ts";
import { splitUrl } from "./fetch_adapter.ts";
import type { ServerLimits } from "./server_limits.ts";

/**
 * Checks an HTTP/2 request for errors that HTTP/1.1 refuses and the runtime accepts. `ownAuthority` is the runtime's default for requests
 * without a host.
 *
 * @throws {WireError} 400 where it is malformed; 414 and 431 over a limit
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
  // The runtime drops the content: another request would be answered.
  if (request.body === null && Number(request.headers.get("content-length")) > 0) {
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
