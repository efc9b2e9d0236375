import type { Path } from "./yaml/located.ts";

/** A host and port to listen on. */
export interface TcpAddress {
  readonly hostname: string;
  readonly port: number;
}

/** A unix socket to listen on. */
export interface UnixAddress {
  /** Absolute. */
  readonly path: string;
  /** Permission bits of the socket file: who may write to it may connect. */
  readonly mode: number;
}

/** An address to listen on. */
export type ListenAddress = TcpAddress | UnixAddress;

/** A listener, where it stands in the file, and the address that it names; `null` where it names none, or two. */
export interface Addressed<L> {
  readonly listener: L;
  readonly path: Path;
  readonly address: ListenAddress | null;
}

/** The sixteen-bit groups of an IPv4 address (2) or an IPv6 address (8), or `null`. */
function addressGroups(text: string): number[] | null {
  const canonical = parseIpAddress(text);
  if (canonical === null) return null;
  if (!canonical.includes(":")) {
    const [a = 0, b = 0, c = 0, d = 0] = canonical.split(".").map(Number);
    return [a << 8 | b, c << 8 | d];
  }
  const [head = "", tail] = canonical.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  if (tail === undefined) return groups(head);
  const zeros = Array<number>(8 - groups(head).length - groups(tail).length).fill(0);
  return [...groups(head), ...zeros, ...groups(tail)];
}

/**
 * An IP address in its canonical text (RFC 5952 for IPv6, brackets allowed and dropped), or `null`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseIpAddress } from "./addresses.ts";
 *
 * assert.equal(parseIpAddress("203.0.113.7"), "203.0.113.7");
 * assert.equal(parseIpAddress("[2001:DB8::0:1]"), "2001:db8::1");
 * assert.equal(parseIpAddress("203.0.113"), null);
 * ```
 */
export function parseIpAddress(text: string): string | null {
  if (/^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text)) return text;
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (!/^[0-9A-Fa-f:.]{2,45}$/.test(bare) || !bare.includes(":")) return null;
  return URL.parse(`http://[${bare}]/`)?.hostname.slice(1, -1) ?? null;
}

/**
 * A CIDR block (RFC 4632) in canonical text, or `null`; an address alone is the block that holds only it. No bit may be set
 * behind the prefix: such a block is most often a mistake about its size.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseCidr } from "./addresses.ts";
 *
 * assert.equal(parseCidr("10.0.0.0/8"), "10.0.0.0/8");
 * assert.equal(parseCidr("::1"), "::1/128");
 * assert.equal(parseCidr("10.0.0.1/8"), null);
 * ```
 */
export function parseCidr(text: string): string | null {
  const [address = "", length, ...rest] = text.split("/");
  const groups = addressGroups(address);
  if (groups === null || rest.length > 0) return null;
  const bits = groups.length * 16;
  if (length !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(length)) return null;
  const prefix = length === undefined ? bits : Number(length);
  if (prefix > bits) return null;
  const stray = groups.some((group, index) => {
    const kept = Math.min(16, Math.max(0, prefix - index * 16));
    return (group & (0xffff >> kept)) !== 0;
  });
  return stray ? null : `${parseIpAddress(address)}/${prefix}`;
}

/**
 * An address to listen on: `address:port`, `[IPv6]:port` or `:port` (every IPv4 address). `localhost` is 127.0.0.1; port 0 lets
 * the system choose. `null` where `text` is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseListenAddress } from "./addresses.ts";
 *
 * assert.deepEqual(parseListenAddress(":6635"), { hostname: "0.0.0.0", port: 6635 });
 * assert.deepEqual(parseListenAddress("[::1]:6636"), { hostname: "::1", port: 6636 });
 * assert.equal(parseListenAddress("6635"), null);
 * ```
 */
export function parseListenAddress(text: string): TcpAddress | null {
  const match = /^(\[[^\]]+\]|[^:]*):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const [, host = "", port] = match;
  if (Number(port) > 65_535) return null;
  const hostname = host === "" ? "0.0.0.0" : host === "localhost" ? "127.0.0.1" : parseIpAddress(host);
  return hostname === null ? null : { hostname, port: Number(port) };
}

/** Whether an address is a unix socket. */
export function isUnix(address: ListenAddress): address is UnixAddress {
  return "path" in address;
}

/**
 * The text of an address to listen on.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { formatListenAddress } from "./addresses.ts";
 *
 * assert.equal(formatListenAddress({ hostname: "::1", port: 6636 }), "[::1]:6636");
 * assert.equal(formatListenAddress({ path: "/run/usher.sock", mode: 0o660 }), "unix:/run/usher.sock");
 * ```
 */
export function formatListenAddress(address: ListenAddress): string {
  if (isUnix(address)) return `unix:${address.path}`;
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** The URL under which an address to listen on is reached from this machine. */
export function reachableUrl({ hostname, port }: TcpAddress, scheme: "http" | "https" = "http"): string {
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  return `${scheme}://${formatListenAddress({ hostname: host, port })}`;
}

/** Whether only this machine can reach `address`. */
export function isLoopback(address: TcpAddress): boolean {
  return address.hostname === "::1" || address.hostname.startsWith("127.");
}

/**
 * Whether two addresses cannot be listened on together: they are the same, or one of them is contained in the other.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { overlaps } from "./addresses.ts";
 *
 * assert.equal(overlaps({ hostname: "0.0.0.0", port: 80 }, { hostname: "127.0.0.1", port: 80 }), true);
 * assert.equal(overlaps({ hostname: "0.0.0.0", port: 80 }, { hostname: "127.0.0.1", port: 81 }), false);
 * ```
 */
export function overlaps(a: ListenAddress, b: ListenAddress): boolean {
  if (isUnix(a) || isUnix(b)) return isUnix(a) && isUnix(b) && a.path === b.path;
  if (a.port !== b.port || a.port === 0) return false;
  if (a.hostname === b.hostname || a.hostname === "::" || b.hostname === "::") return true;
  const isIpv4 = (address: TcpAddress) => !address.hostname.includes(":");
  return isIpv4(a) && isIpv4(b) && (a.hostname === "0.0.0.0" || b.hostname === "0.0.0.0");
}

/** A host name as it is compared (lower case, IDN in its ASCII form, RFC 5891), or `null`; no port. */
function canonicalHost(text: string): string | null {
  if (text === "" || text.length > 253 || /[\s/?#@\\%*]/.test(text) || /:\d*$/.test(text.replace(/\[.*\]$/, ""))) {
    return null;
  }
  return URL.parse(`http://${text}/`)?.hostname ?? null;
}

/**
 * A host to match requests against: an exact name or `*.` and a name, in lower case; `null` where `text` is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseHostPattern } from "./addresses.ts";
 *
 * assert.equal(parseHostPattern("*.Example.com"), "*.example.com");
 * assert.equal(parseHostPattern("example.com:80"), null);
 * ```
 */
export function parseHostPattern(text: string): string | null {
  if (!text.startsWith("*.")) return canonicalHost(text);
  const host = canonicalHost(text.slice(2));
  return host === null ? null : `*.${host}`;
}

/**
 * A value for the `Host` field (RFC 9110 §7.2): a host with or without a port; `null` where `text` is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseHostField } from "./addresses.ts";
 *
 * assert.equal(parseHostField("api.example:8443"), "api.example:8443");
 * assert.equal(parseHostField("https://api.example"), null);
 * ```
 */
export function parseHostField(text: string): string | null {
  const match = /^(.*?)(?::(\d{1,5}))?$/.exec(text);
  const host = canonicalHost(match?.[1] ?? "");
  const port = match?.[2];
  if (host === null || (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))) return null;
  return port === undefined ? host : `${host}:${port}`;
}

/** An upstream's URL, or what would have been right. */
export type UpstreamUrl = { readonly url: string } | { readonly expected: string };

/**
 * The URL of an upstream: `http` or `https`, no credentials, no query, no fragment; without a slash at its end.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseUpstreamUrl } from "./addresses.ts";
 *
 * assert.deepEqual(parseUpstreamUrl("https://API.example/base/"), { url: "https://api.example/base" });
 * assert.deepEqual(parseUpstreamUrl("ftp://one.example"), { expected: "a URL with the scheme http or https" });
 * ```
 */
export function parseUpstreamUrl(text: string): UpstreamUrl {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { expected: "a URL such as https://one.example" };
  if (!/^https?:/i.test(text)) return { expected: "a URL with the scheme http or https" };
  if (/[\s\p{Cc}\\]/u.test(text)) return { expected: "a URL without spaces and backslashes" };
  const port = /^[^/]+\/\/[^/?#]*:(\d*)(?:[/?#]|$)/.exec(text)?.[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    return { expected: "a URL with a port from 1 to 65535" };
  }
  const url = URL.parse(text);
  if (url === null) return { expected: "a URL such as https://one.example" };
  if (url.username !== "" || url.password !== "") {
    return { expected: "a URL without credentials (they would show in logs)" };
  }
  if (text.includes("?")) return { expected: "a URL without a query" };
  if (text.includes("#")) return { expected: "a URL without a fragment" };
  return { url: url.origin + url.pathname.replace(/\/+$/, "") };
}
