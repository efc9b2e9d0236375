import type { ForwardingFacts } from "./forwarded.ts";
import { splitList } from "./list.ts";
import { isAuthority } from "./target.ts";

/** The origin that a client uses: the beginning of its URLs. */
export interface PublicOrigin {
  readonly scheme: "http" | "https";
  /** Host, and port where it is not the scheme's own. */
  readonly authority: string;
}

/** Elements of a forwarding field that are read; only the first counts. */
const MAX_ELEMENTS = 1;

/**
 * The origin that a request's client uses: the request's own, or the one that a trusted proxy states, in `Forwarded` (RFC 7239) or else
 * in `X-Forwarded-Proto` and `X-Forwarded-Host`. Of several elements the first counts, the outermost proxy's. Malformed values are
 * ignored.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { publicOrigin } from "./public_origin.ts";
 * const fields: Record<string, string> = { "x-forwarded-proto": "https", "x-forwarded-host": "films.example" };
 * const facts = { authority: "10.0.0.1:6635", scheme: "http", header: (name: string) => fields[name] ?? null } as const;
 * assert.deepEqual(publicOrigin({ ...facts, trusted: true }), { scheme: "https", authority: "films.example" });
 * assert.deepEqual(publicOrigin({ ...facts, trusted: false }), { scheme: "http", authority: "10.0.0.1:6635" });
 * ```
 */
export function publicOrigin(facts: Omit<ForwardingFacts, "peer">): PublicOrigin {
  const { scheme, authority } = facts;
  if (!facts.trusted) return { scheme, authority: withoutDefaultPort(authority, scheme) };
  const said = forwardedOrigin(facts.header("forwarded"));
  const proto = said.scheme ?? schemeOf(first(facts.header("x-forwarded-proto"))) ?? scheme;
  const host = said.authority ?? authorityOf(first(facts.header("x-forwarded-host"))) ?? authority;
  return { scheme: proto, authority: withoutDefaultPort(host, proto) };
}

function first(value: string | null): string | undefined {
  return value === null ? undefined : splitList(value, MAX_ELEMENTS)[0];
}

const PARAMETER = /(?:^|;)[ \t]*(proto|host)=(?:"([^"\\]*)"|([^";,\s]*))(?=[ \t]*(?:;|$))/gi;

function forwardedOrigin(value: string | null): Partial<PublicOrigin> {
  const element = first(value);
  if (element === undefined || element.length > 2_000) return {};
  const said: { scheme?: "http" | "https"; authority?: string } = {};
  for (const [, name, quoted, plain] of element.matchAll(PARAMETER)) {
    if (name!.toLowerCase() === "proto") said.scheme ??= schemeOf(quoted ?? plain);
    else said.authority ??= authorityOf(quoted ?? plain);
  }
  return said;
}

function schemeOf(text: string | undefined): "http" | "https" | undefined {
  const scheme = text?.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : undefined;
}

function authorityOf(text: string | undefined): string | undefined {
  return text !== undefined && isAuthority(text) ? text : undefined;
}

function withoutDefaultPort(authority: string, scheme: "http" | "https"): string {
  const port = scheme === "http" ? ":80" : ":443";
  return authority.endsWith(port) ? authority.slice(0, -port.length) : authority;
}
