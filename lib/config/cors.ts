const ORIGIN =
  /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<wild>\*\.)?(?<host>[^\s/?#@*:[\]\\]+|\[[0-9a-f:.]+\])(?::(?<port>\d{1,5}|\*))?$/i;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http": "80", "https": "443" };

/**
 * An origin as browsers write it (RFC 6454 §6.2), `*` for all, or a pattern: `*.` before the host stands for one or more labels,
 * `*` as port for any. `null` where a text is none of these. `null` as an origin is none: every sandboxed page has it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseCorsOrigin } from "./cors.ts";
 *
 * assert.equal(parseCorsOrigin("HTTPS://App.Example:443"), "https://app.example");
 * assert.equal(parseCorsOrigin("http://*.lan.example:*"), "http://*.lan.example:*");
 * assert.equal(parseCorsOrigin("https://app.example/"), null);
 * ```
 */
export function parseCorsOrigin(text: string): string | null {
  if (text === "*") return text;
  const { scheme = "", wild = "", host = "", port } = ORIGIN.exec(text)?.groups ?? {};
  if (host === "") return null;
  const lower = scheme.toLowerCase();
  const name = hostName(lower, host);
  if (name === null || (port !== undefined && Number(port) > 65_535)) return null;
  return `${lower}://${wild}${name}${port === undefined || port === DEFAULT_PORTS[lower] ? "" : `:${port}`}`;
}

/** A host in the one spelling of browsers; only those of web pages are names of the Internet. */
function hostName(scheme: string, host: string): string | null {
  if (DEFAULT_PORTS[scheme] === undefined) return /^[\x21-\x7e]+$/.test(host) ? host.toLowerCase() : null;
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : null;
}
