/** Longer origins match nothing: no name of a host is as long. */
const MAX_ORIGIN_LENGTH = 300;

/**
 * A test for values of `Origin` (RFC 6454 §7) against origins and patterns: `*` matches all, `*.` before a host stands for one or
 * more labels, `*` as port for any port or none. Patterns are in lower case, and without a default port.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { originMatcher } from "./origin_match.ts";
 * const matches = originMatcher(["https://app.example", "https://*.app.example", "http://localhost:*"]);
 * assert.equal(matches("https://app.example"), true);
 * assert.equal(matches("https://a.b.app.example"), true);
 * assert.equal(matches("http://localhost:5173"), true);
 * assert.equal(matches("https://evil-app.example"), false);
 * assert.equal(matches("null"), false);
 * ```
 */
export function originMatcher(patterns: readonly string[]): (origin: string) => boolean {
  if (patterns.includes("*")) return () => true;
  const exact = new Set(patterns.filter((pattern) => !pattern.includes("*")));
  const wild = patterns.filter((pattern) => pattern.includes("*")).map(expressionOf);
  return (origin) =>
    exact.has(origin) || (origin.length <= MAX_ORIGIN_LENGTH && wild.some((expression) => expression.test(origin)));
}

function expressionOf(pattern: string): RegExp {
  const [, scheme = "", host = "", port = ""] = /^([^:]+):\/\/(.*?)(:[*\d]+)?$/.exec(pattern) ?? [];
  // Labels cannot hold dots, so the repetition has one way to match only.
  const labels = host.startsWith("*.") ? "(?:[a-z0-9_-]+\\.)+" : "";
  const name = escaped(host.startsWith("*.") ? host.slice(2) : host);
  return new RegExp(`^${escaped(scheme)}://${labels}${name}${port === ":*" ? "(?::\\d{1,5})?" : escaped(port)}$`);
}

function escaped(text: string): string {
  return text.replaceAll(/[^a-z0-9]/g, "\\$&");
}
