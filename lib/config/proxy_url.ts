import { parseHostField } from "./addresses.ts";

/** A proxy's URL in one form of writing, credentials included, or what would have been right. */
export type ProxyUrl = { readonly url: string } | { readonly expected: string };

const EXAMPLE = "a proxy's URL such as http://10.0.0.1:3128, https://… or socks5://user:password@10.0.0.1:1080";
const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443, socks5: 1080 };
/** RFC 1929 §2: one byte tells the length. */
const MAX_SOCKS_TEXT_BYTES = 255;

/** A percent-encoded text without control characters, decoded; `null` where it is none. */
function decoded(text: string): string | null {
  try {
    const plain = decodeURIComponent(text);
    return /\p{Cc}/u.test(plain) ? null : plain;
  } catch {
    return null;
  }
}

/** What is wrong with the credentials, `null` if nothing is. */
function credentialsProblem(scheme: string, user: string | null, password: string | null): string | null {
  if (user === null || password === null) return "a proxy's URL with percent-encoded credentials";
  if (user === "") return "a proxy's URL with a user before its password";
  if (scheme !== "socks5") return user.includes(":") ? "a user without a colon (RFC 7617)" : null;
  const sizes = [user, password].map((text) => new TextEncoder().encode(text).length);
  const isFit = sizes.every((size) => size >= 1 && size <= MAX_SOCKS_TEXT_BYTES);
  return isFit ? null : "a user and a password of 1 to 255 bytes each (RFC 1929)";
}

/** The credentials in one form of writing, with `@`; empty where there are none. */
function formatCredentials(user: string, password: string): string {
  return `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
}

/**
 * The URL of a proxy: `http`, `https` or `socks5` (`socks5h` is the same), a host, and where wanted a port and credentials.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseProxyUrl } from "./proxy_url.ts";
 *
 * assert.deepEqual(parseProxyUrl("socks5h://me:p%40ss@Proxy.example"), { url: "socks5://me:p%40ss@proxy.example:1080" });
 * assert.deepEqual(parseProxyUrl("http://proxy.example/x"), { expected: "a proxy's URL without a path" });
 * ```
 */
export function parseProxyUrl(text: string): ProxyUrl {
  const match = /^(http|https|socks5)h?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(.*)$/i.exec(text);
  const scheme = match?.[1]?.toLowerCase();
  if (match === null || scheme === undefined || (/^httph:/i.test(text))) return { expected: EXAMPLE };
  const [, , credentials, authority = "", rest = ""] = match;
  if (rest !== "" && rest !== "/") return { expected: "a proxy's URL without a path" };
  const host = parseHostField(authority);
  if (host === null) return { expected: EXAMPLE };
  const hasPort = /:\d+$/.test(host.replace(/^\[.*\]/, ""));
  const address = hasPort ? host : `${host}:${DEFAULT_PORTS[scheme]}`;
  if (credentials === undefined) return { url: `${scheme}://${address}` };
  const [user = "", ...password] = credentials.split(":");
  const [plainUser, plainPassword] = [decoded(user), decoded(password.join(":"))];
  const problem = credentialsProblem(scheme, plainUser, plainPassword);
  if (problem !== null) return { expected: problem };
  return { url: `${scheme}://${formatCredentials(plainUser ?? "", plainPassword ?? "")}${address}` };
}
