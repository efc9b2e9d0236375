/** A request's target, split and otherwise as the client sent it: no byte is decoded or re-encoded. */
export interface Target {
  /** Host and port: of an absolute-form target, else of the `Host` field (RFC 9112 §3.2.2). */
  readonly authority: string;
  /** Begins with `/`. */
  readonly path: string;
  /** Without `?`; empty both for no query and for an empty one. */
  readonly query: string;
}

const PLAIN = "http://";
const HTTP = /^https?:\/\//i;

/**
 * Splits an absolute URL of http or https, without a change to its bytes. `null` says that it is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { splitTarget } from "./target.ts";
 * assert.deepEqual(splitTarget("http://tmdb.example/3/a%2fb?q=o's"), { authority: "tmdb.example", path: "/3/a%2fb", query: "q=o's" });
 * ```
 */
export function splitTarget(url: string): Target | null {
  const from = url.startsWith(PLAIN) ? PLAIN.length : HTTP.exec(url)?.[0].length;
  if (from === undefined) return null;
  const question = url.indexOf("?", from);
  const end = question < 0 ? url.length : question;
  const slash = url.indexOf("/", from);
  const query = question < 0 ? "" : url.slice(question + 1);
  if (slash < 0 || slash >= end) return { authority: url.slice(from, end), path: "/", query };
  return { authority: url.slice(from, slash), path: url.slice(slash, end), query };
}

const SLASH = 0x2f;

/**
 * Splits a request target (RFC 9112 §3.2): origin-form stands on `host`, the value of `Host`; absolute-form names its authority itself;
 * asterisk-form has the path `*`. `null` says that it is none of them.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { requestTarget } from "./target.ts";
 * assert.deepEqual(requestTarget("/3/a%2fb?q=1", "tmdb.example"), { authority: "tmdb.example", path: "/3/a%2fb", query: "q=1" });
 * assert.deepEqual(requestTarget("http://other.example/3", "tmdb.example"), { authority: "other.example", path: "/3", query: "" });
 * ```
 */
export function requestTarget(target: string, host: string): Target | null {
  if (target.charCodeAt(0) !== SLASH) {
    return target === "*" ? { authority: host, path: "*", query: "" } : splitTarget(target);
  }
  const question = target.indexOf("?");
  if (question < 0) return { authority: host, path: target, query: "" };
  return { authority: host, path: target.slice(0, question), query: target.slice(question + 1) };
}

/** Ends of a segment for some server: `/` and `\`, plain, escaped, or in overlong UTF-8. */
const SLASHES = String.raw`[/\\]|%2f|%5c|(?:%c0|%e0%80|%f0%80%80)%af|(?:%c1|%e0%81|%f0%80%81)%9c`;
const DOT = String.raw`\.|%2e|(?:%c0|%e0%80|%f0%80%80)%ae`;
/** A `.` or `..` segment in any spelling; what follows a `;` is not of the segment's name. */
const DOT_SEGMENT = new RegExp(`(?:${SLASHES})(?:${DOT}){1,2}(?=${SLASHES}|;|%3b|$)`, "i");

/**
 * Whether a path has a `.` or `..` segment in any spelling. An upstream could resolve it to a path outside the listener's
 * prefix, so the gateway refuses it instead of guessing (RFC 3986 §5.2.4).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { hasDotSegment } from "./target.ts";
 * assert.equal(hasDotSegment("/3/..%2fadmin"), true);
 * assert.equal(hasDotSegment("/3/movie..name/.well-known"), false);
 * ```
 */
export function hasDotSegment(path: string): boolean {
  // Nearly every path has neither sign, and looking for them is far cheaper than the expression.
  if (!path.includes("/.") && !path.includes("%") && !path.includes("\\")) return false;
  return DOT_SEGMENT.test(path);
}

const AUTHORITY = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._~!$&'()*+,;=-]+)(?::\d{1,5})?$/i;

/**
 * Whether a text is an authority without user information (RFC 3986 §3.2); a gateway answers 400 to any other.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { isAuthority } from "./target.ts";
 * assert.equal(isAuthority("api.example:8080"), true);
 * assert.equal(isAuthority("user@api.example"), false);
 * ```
 */
export function isAuthority(text: string): boolean {
  return text.length <= 261 && AUTHORITY.test(text);
}

/**
 * The host of an authority: lower case, without port and without the root dot.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { hostOf } from "./target.ts";
 * assert.equal(hostOf("API.example.:8080"), "api.example");
 * assert.equal(hostOf("[::1]:80"), "[::1]");
 * ```
 */
export function hostOf(authority: string): string {
  const bracket = authority.lastIndexOf("]");
  const colon = authority.indexOf(":", bracket + 1);
  const host = (colon < 0 ? authority : authority.slice(0, colon)).toLowerCase();
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

/** An escape, or a character that is escaped in the one spelling, of a path and of a query. A `*` is so too, but not in patterns. */
const OF_PATH = /%([0-9a-fA-F]{2})|[^%*\w.~/-]/gu;
const OF_QUERY = /%([0-9a-fA-F]{2})|[^%*\w.~&=+;-]/gu;
const STAR = /\*/g;
const UNRESERVED = /[\w.~-]/;

/**
 * A path and query in the one spelling that others of the same bytes have too: all is escaped but unreserved characters and what separates
 * the parts of a target, and a lone `?` at the end is left out. That is more than RFC 3986 §6.2.2 calls equivalent (`,` and `%2C` are
 * the same here), but `%2F` in a path and `%26` in a query separate nothing and stay what they are. To compare targets, not to send them.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { inOneSpelling } from "./target.ts";
 * assert.equal(inOneSpelling("/caf%c3%a9/%7euser?a=%2f"), "/caf%C3%A9/~user?a=%2F");
 * assert.equal(inOneSpelling("/café?a=/"), "/caf%C3%A9?a=%2F");
 * assert.equal(inOneSpelling("/a:1*?"), "/a%3A1%2A");
 * ```
 */
export function inOneSpelling(target: string): string {
  return beginningInOneSpelling(target.indexOf("?") === target.length - 1 ? target.slice(0, -1) : target);
}

/** The same of what targets may begin with: a `?` at the end stays. */
export function beginningInOneSpelling(text: string): string {
  const spelled = patternInOneSpelling(text);
  return spelled.includes("*") ? spelled.replace(STAR, "%2A") : spelled;
}

/** The same of a pattern: `*` stays too. */
export function patternInOneSpelling(pattern: string): string {
  const start = pattern.indexOf("?");
  if (start < 0) return pattern.replace(OF_PATH, respelled);
  return `${pattern.slice(0, start).replace(OF_PATH, respelled)}?${
    pattern.slice(start + 1).replace(OF_QUERY, respelled)
  }`;
}

function respelled(match: string, hex: string | undefined): string {
  if (hex === undefined) return match.isWellFormed() ? escaped(match) : match;
  const character = String.fromCharCode(parseInt(hex, 16));
  return UNRESERVED.test(character) ? character : `%${hex.toUpperCase()}`;
}

/** A character as the escapes of its bytes, also where `encodeURIComponent` leaves it plain. */
function escaped(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x80 ? `%${code.toString(16).toUpperCase().padStart(2, "0")}` : encodeURIComponent(character);
}

/** A path behind a client's token. */
export interface KeyedPath {
  readonly token: string;
  /** The path behind the token; begins with `/`. */
  readonly path: string;
}

/** `~` needs no escape (RFC 3986 §2.3), yet there are clients that escape it. */
const KEYED = /^\/(?:~|%7[Ee])([A-Za-z0-9._~-]{16,256})(?=\/|$)/;

/**
 * A path with a client's token before it, as in `/~TOKEN/3/movie/550`; `null` for any other. The form cannot be mistaken for a path of
 * TMDB's, and a segment as short as a user's name (`/~anna/`) is none.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { splitKeyedPath } from "./target.ts";
 * assert.deepEqual(splitKeyedPath("/~0123456789abcdef/3/movie/550"), { token: "0123456789abcdef", path: "/3/movie/550" });
 * assert.equal(splitKeyedPath("/~anna/3/movie/550"), null);
 * ```
 */
export function splitKeyedPath(path: string): KeyedPath | null {
  const match = KEYED.exec(path);
  if (match === null) return null;
  const rest = path.slice(match[0].length);
  return { token: match[1]!, path: rest === "" ? "/" : rest };
}
