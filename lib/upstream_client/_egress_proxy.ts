import { Buffer } from "node:buffer";
import { UpstreamFailure } from "./transport.ts";

/** User and password, decoded. */
export interface ProxyCredentials {
  readonly user: string;
  readonly password: string;
}

/** A proxy on the way to an upstream. */
export interface EgressProxy {
  readonly scheme: "http" | "https" | "socks5";
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly credentials: ProxyCredentials | null;
  /** Scheme, host and port, for messages: never the credentials. */
  readonly label: string;
}

/** Target of a tunnel through a proxy. */
export interface TunnelTarget {
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORTS = { http: 80, https: 443, socks5: 1080 } as const;

function schemeOf(url: URL): EgressProxy["scheme"] {
  switch (url.protocol) {
    case "http:":
      return "http";
    case "https:":
      return "https";
    case "socks5:":
    // As `socks5`, where the proxy resolves names here anyway.
    case "socks5h:":
      return "socks5";
    default:
      throw new RangeError(`Cannot use a proxy: scheme must be http, https or socks5: received "${url.protocol}"`);
  }
}

/**
 * The proxy that a URL names; user and password are percent-encoded there.
 *
 * @throws {RangeError} on another scheme
 * @throws {URIError} where the credentials are not percent-encoded UTF-8
 */
export function parseEgressProxy(url: URL): EgressProxy {
  const scheme = schemeOf(url);
  const port = url.port === "" ? DEFAULT_PORTS[scheme] : Number(url.port);
  const hasCredentials = url.username !== "" || url.password !== "";
  return {
    scheme,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    credentials: hasCredentials
      ? { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
      : null,
    label: `${scheme}://${url.hostname}:${port}`,
  };
}

/** Host and port as a request target and `Host` name them (RFC 9110 §7.2). */
export function authorityOf({ host, port }: TunnelTarget): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The value of `Proxy-Authorization` (RFC 7617), `null` without credentials. */
export function proxyAuthorization({ credentials }: EgressProxy): string | null {
  if (credentials === null) return null;
  return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`, "utf8").toString("base64")}`;
}

/** The failure of the hop to the proxy, or of the proxy itself. Nothing of the request has been sent by then. */
export function proxyFailure(proxy: EgressProxy, what: string, cause?: unknown): UpstreamFailure {
  const options = cause === undefined ? undefined : { cause };
  return new UpstreamFailure("proxy", `Cannot connect: proxy ${proxy.label}: ${what}`, false, options);
}

/** The failure of the hop behind the proxy, as the proxy tells it. */
export function targetFailure(proxy: EgressProxy, target: TunnelTarget, what: string): UpstreamFailure {
  const message = `Cannot connect: proxy ${proxy.label} cannot reach ${authorityOf(target)}: ${what}`;
  return new UpstreamFailure("connect", message, false);
}
