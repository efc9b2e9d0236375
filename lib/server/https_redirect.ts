import { requestTarget } from "../http/target.ts";
import type { Arrival } from "./arrival.ts";
import type { Reply } from "./reply.ts";

const HTTPS_PORT = 443;

/** A host as an authority has it: a name or an IPv4 address, or an IPv6 address in brackets (RFC 3986 §3.2.2). */
const AUTHORITY = /^([a-z0-9._~!$&'()*+,;=-]+|\[[0-9a-f:.]+\])(?::\d{0,5})?$/i;

/**
 * Redirects a request to the same URL with `https` on `port`; `null` where it names no usable host. Requests that may have content keep
 * their method (308, RFC 9110 §15.4.9); the others get the status that old clients know.
 */
export function httpsRedirect({ method, target, fields }: Arrival, port: number): Reply | null {
  const split = requestTarget(target, fields.header("host") ?? "");
  const host = AUTHORITY.exec(split?.authority ?? "")?.[1];
  if (host === undefined || split === null || !split.path.startsWith("/")) return null;
  const authority = port === HTTPS_PORT ? host : `${host}:${port}`;
  const query = split.query === "" ? "" : `?${split.query}`;
  return {
    status: method === "GET" || method === "HEAD" ? 301 : 308,
    fixed: null,
    lines: `Location: https://${authority}${split.path}${query}\r\n`,
    hasDate: false,
    lengthBytes: 0,
    body: null,
    onEnd: null,
  };
}

/** Whether the proxy in front says that its client used `https`. Only for requests of trusted proxies. */
export function cameByHttps({ fields }: Arrival): boolean {
  const proto = fields.header("x-forwarded-proto");
  if (proto !== null) return /^\s*https\s*(?:,|$)/i.test(proto);
  return /(?:^|;)\s*proto\s*=\s*"?https"?\s*(?:[;,]|$)/i.test(fields.header("forwarded")?.split(",", 1)[0] ?? "");
}
