import {
  parseCidr,
  parseHostField,
  parseHostPattern,
  parseIpAddress,
  parseListenAddress,
  parseUpstreamUrl,
} from "./addresses.ts";
import { parseProxyUrl } from "./proxy_url.ts";
import { line, parsed, scalar, text, Unusable } from "./yaml/scalars.ts";

/** A token of HTTP (RFC 9110 §5.6.2). */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A range of status codes, both ends included. */
export type StatusRange = readonly [from: number, to: number];

/** An address to listen on. */
export function listenAddress() {
  return parsed({
    title: "listen address",
    expected: "an address with a port, such as 0.0.0.0:6635, [::1]:6636 or :6635",
    parse: parseListenAddress,
    pattern: "^[^ ]*:[0-9]+$",
  });
}

/** A URL that `parse` reads, or says what would have been right. */
function url(options: {
  readonly title: string;
  readonly pattern: string;
  readonly usual: string;
  readonly parse: (text: string) => { readonly url: string } | { readonly expected: string };
}) {
  const expected = new Unusable(options.usual);
  return scalar<string>({
    title: options.title,
    json: { type: "string", pattern: options.pattern },
    expected,
    interpolated: "text",
    read(value) {
      if (typeof value !== "string" || value.length > 2000) return expected;
      const result = options.parse(value);
      return "url" in result ? result.url : new Unusable(result.expected);
    },
  });
}

/** The URL of an upstream, without a slash at its end. */
export function upstreamUrl() {
  const usual = "a URL such as https://one.example";
  return url({ title: "URL", pattern: "^[Hh][Tt][Tt][Pp][Ss]?://", usual, parse: parseUpstreamUrl });
}

/** The URL of a proxy, credentials included. */
export function proxyUrl() {
  return url({
    title: "proxy URL",
    pattern: "^([Hh][Tt][Tt][Pp][Ss]?|[Ss][Oo][Cc][Kk][Ss]5[Hh]?)://",
    usual: "a proxy's URL such as http://10.0.0.1:3128 or socks5://10.0.0.1:1080",
    parse: parseProxyUrl,
  });
}

/** A CIDR block or an address. */
export function cidr() {
  return parsed({ title: "CIDR block", expected: "a CIDR block such as 10.0.0.0/8 or ::1/128", parse: parseCidr });
}

/** The same, or `unix` for whoever is on a unix socket. */
export function peerBlock() {
  return parsed({
    title: "CIDR block",
    expected: "a CIDR block such as 10.0.0.0/8 or ::1/128, or unix",
    parse: (text) => text === "unix" ? text : parseCidr(text),
  });
}

/** An IP address. */
export function ipAddress() {
  return parsed({
    title: "IP address",
    expected: "an IP address such as 203.0.113.7 or 2001:db8::7",
    parse: parseIpAddress,
  });
}

/** A host to match requests against. */
export function hostPattern() {
  return parsed({
    title: "host",
    expected: "a host name without a port, such as example.com or *.example.com",
    parse: parseHostPattern,
  });
}

/** A value of the `Host` field. */
export function hostField() {
  return parsed({ title: "host", expected: "a host such as api.example or api.example:8443", parse: parseHostField });
}

/** The ends of a status code or a range of them; `null` where `value` is neither. */
function readStatusRange(value: unknown): StatusRange | null {
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(String(value));
  if (match === null) return null;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from <= to ? [from, to] : null;
}

/** A status code (`404`) or a range of them (`200-299`). */
export function statusRange() {
  const expected = new Unusable("a status such as 404 or a range such as 200-299");
  return scalar<StatusRange>({
    title: "status range",
    json: {
      anyOf: [{ type: "integer", minimum: 100, maximum: 599 }, {
        type: "string",
        pattern: "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$",
      }],
    },
    expected,
    interpolated: "value",
    read: (value) => readStatusRange(value) ?? expected,
  });
}

/** A media range (RFC 9110 §12.5.1) without parameters, in lower case. */
export function mediaRange() {
  const token = "[A-Za-z0-9!#$&^_.+-]+";
  const pattern = new RegExp(`^(?:\\*/\\*|${token}/(?:\\*|${token}))$`);
  return parsed({
    title: "media range",
    expected: "a media range such as application/json or image/*",
    parse: (value) => pattern.test(value) ? value.toLowerCase() : null,
  });
}

/** A path prefix: begins with `/`, and loses a slash at its end. */
export function pathPrefix() {
  return parsed({
    title: "path prefix",
    expected: "a path such as /3 or /, without query, fragment, spaces or empty segments",
    // Some clients put a whole URL behind a prefix of their own: /img/https://image.tmdb.org is one that is served.
    parse: (value) =>
      /^(?!.*(?<!\/https?:)\/\/)\/[^\s?#\\\p{Cc}]*$/u.test(value) ? value.replace(/(?<=.)\/$/, "") : null,
    pattern: "^/[^ ?#]*$",
  });
}

/** A glob over paths; `examples` are for messages. */
export function glob(examples: string) {
  const pattern = /^[/*][^\s?#\p{Cc}]*$/u;
  return text({ title: "glob", pattern, maxLength: 2000, expected: `a glob such as ${examples}` });
}

/** The name of a field (RFC 9110 §5.1) as it is written. */
export function fieldName() {
  const expected = "a field name (RFC 9110 §5.1)";
  return text({ title: "field name", pattern: TOKEN, maxLength: 256, expected });
}

/** The name of a field or a cookie, which are tokens (RFC 9110 §5.6.2). */
export function token(what: string) {
  return text({ title: "name", pattern: TOKEN, maxLength: 128, expected: `a ${what}'s name` });
}

/** Text that holds anything; `title` and `expected` are for messages. */
export function anyText(title: string, maxLength: number, expected: string) {
  return text({ title, pattern: /^[^]*$/, maxLength, expected });
}

/** The path of a file: one line. */
export function filePath() {
  return line("path");
}
