/**
 * Names of the fields by which a proxy tells a server behind it of the client, or has it take the request for another one. Servers and
 * frameworks believe them from anybody who sends them. docs/networking.md lists them.
 */
const NAMES: ReadonlySet<string> = new Set([
  ...["cf-connecting-ip", "cf-connecting-ipv6", "cf-ew-via", "cf-ipcountry", "cf-pseudo-ipv4", "cf-visitor"],
  ...["client-ip", "fastly-client-ip", "fastly-ff", "fastly-ssl", "fly-client-ip", "front-end-https", "http-client-ip"],
  ...["proxy-client-ip", "true-client-ip", "wl-proxy-client-ip", "wl-proxy-ssl"],
  ...[
    "x-accel-mapping",
    "x-base-url",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-host-override",
    "x-host-name",
  ],
  ...["x-http-host-override", "x-http-method", "x-http-method-override", "x-https", "x-method-override"],
  ...["x-ms-original-url", "x-nf-client-connection-ip", "x-override-url", "x-proto", "x-protocol", "x-proxy-host"],
  ...["x-proxy-url", "x-proxyuser-ip", "x-remote-addr", "x-remote-ip", "x-scheme", "x-script-name", "x-sendfile-type"],
  ...["x-ssl", "x-true-client-ip", "x-url-scheme", "x-vercel-forwarded-for", "x-vercel-proxied-for"],
]);

/** Beginnings of such names. */
const FAMILIES =
  /^(?:forwarded|x-forward|x-arr-|x-appengine-|x-azure-|x-envoy-|x-origin(?:al|ating)-|x-real-|x-rewrite-|x-ssl-client-|ssl-client-|cloudfront-|fly-forwarded-|x-vercel-ip-|wl-proxy-client-)/;

/** What names were found to be. Looking one up is cheaper than looking at its letters; bounded, since clients choose names too. */
const known = new Map<string, boolean>();
const MAX_KNOWN = 1_024;
const MAX_KNOWN_LENGTH = 64;

/**
 * Whether a request field, its name in lower case, speaks for a proxy. `_` counts as `-`: to a server behind CGI or WSGI both are the
 * same name (RFC 3875 §4.1.18).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { speaksForProxy } from "./forwarded_fields.ts";
 * assert.equal(speaksForProxy("x-forwarded-scheme"), true);
 * assert.equal(speaksForProxy("x_original_url"), true);
 * assert.equal(speaksForProxy("x-requested-with"), false);
 * ```
 */
export function speaksForProxy(name: string): boolean {
  const before = known.get(name);
  if (before !== undefined) return before;
  const plain = name.replaceAll("_", "-");
  const isOne = NAMES.has(plain) || FAMILIES.test(plain);
  if (known.size < MAX_KNOWN && name.length <= MAX_KNOWN_LENGTH) known.set(name, isOne);
  return isOne;
}

/** Fields that the gateway writes itself where a pool's `forwarded` says so: those of clients are never passed on. */
export const WRITTEN_FORWARDING_FIELDS: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);
