import { hostOf, splitTarget } from "../http/target.ts";

/** Where a request to a forward proxy is to go. */
export interface ProxyTarget {
  /** Lower case, without port and root dot; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Why a target is none, in words for the client. */
export interface NoTarget {
  readonly refusal: string;
}

const HTTP_PORT = 80;
const MAX_NAME_LENGTH = 253;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
/** What some resolvers take for an address: `127.1`, `0x7f000001`, `0177.0.0.1` (the URL standard's "ends in a number"). */
const NUMBER = /^(?:\d+|0x[0-9a-f]*)$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * The place that CONNECT names: a host and a port (RFC 9110 §9.3.6).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { connectTarget } from "./proxy_target.ts";
 * assert.deepEqual(connectTarget("API.example.:443"), { host: "api.example", port: 443 });
 * assert.deepEqual(connectTarget("0x7f.1:443"), { refusal: "The target is no host name and no address" });
 * ```
 */
export function connectTarget(authority: string): ProxyTarget | NoTarget {
  const [, port] = /:(\d{1,5})$/.exec(authority) ?? [];
  return port === undefined ? { refusal: "CONNECT names no port" } : placeOf(hostOf(authority), Number(port));
}

/**
 * The place that a URL names, which only one of plain `http` can do to a forward proxy (RFC 9112 §3.2.2).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { absoluteTarget } from "./proxy_target.ts";
 * assert.deepEqual(absoluteTarget("http://api.example/3/movie/550"), { host: "api.example", port: 80 });
 * assert.ok("refusal" in absoluteTarget("/3/movie/550"));
 * ```
 */
export function absoluteTarget(target: string): ProxyTarget | NoTarget {
  const split = splitTarget(target);
  if (split === null) return { refusal: "This address is a forward proxy: it takes CONNECT, and whole URLs" };
  if (!/^http:/i.test(target)) return { refusal: "URLs of https are asked for in a tunnel: with CONNECT" };
  const [, port] = /:(\d{1,5})$/.exec(split.authority) ?? [];
  return placeOf(hostOf(split.authority), port === undefined ? HTTP_PORT : Number(port));
}

function placeOf(host: string, port: number): ProxyTarget | NoTarget {
  if (host.startsWith("[")) return { host: host.slice(1, -1), port };
  if (IPV4.test(host) || isName(host)) return { host, port };
  return { refusal: "The target is no host name and no address" };
}

function isName(host: string): boolean {
  const labels = host.split(".");
  return host.length <= MAX_NAME_LENGTH && labels.every((label) => LABEL.test(label)) && !NUMBER.test(labels.at(-1)!);
}
