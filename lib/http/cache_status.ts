import type { ForwardReason } from "../forward_reason.ts";
import { serializeString, tokenOrString } from "./structured_fields.ts";

/** Parameters of `Cache-Status` for a request that went to an upstream. */
export interface ForwardedStatus {
  readonly fwd: ForwardReason;
  /** Status that the upstream answered, where it differs from the one sent (RFC 9211 §2.3). */
  readonly fwdStatus?: number | null;
  /** Remaining freshness lifetime in seconds; negative where stale (RFC 9211 §2.4). */
  readonly ttlSeconds?: number | null;
  readonly stored?: boolean;
  readonly collapsed?: boolean;
  readonly key?: string | null;
  readonly detail?: string | null;
}

/**
 * Our member for a response that came from the cache (RFC 9211 §2.1). `name` is the gateway's: a token.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { hitStatus } from "./cache_status.ts";
 * assert.equal(hitStatus("usher", 30, "memory"), "usher; hit; ttl=30; detail=memory");
 * assert.equal(hitStatus("usher", -4, null), "usher; hit; ttl=-4");
 * ```
 */
export function hitStatus(name: string, ttlSeconds: number, detail: string | null): string {
  const status = `${name}; hit; ttl=${Math.trunc(ttlSeconds)}`;
  return detail === null ? status : `${status}; detail=${tokenOrString(detail)}`;
}

/**
 * Our member for a request that went to an upstream (RFC 9211 §2.2 – §2.8).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { forwardedStatus } from "./cache_status.ts";
 * assert.equal(forwardedStatus("usher", { fwd: "uri-miss", stored: true, ttlSeconds: 60 }), "usher; fwd=uri-miss; stored; ttl=60");
 * assert.equal(
 *   forwardedStatus("usher", { fwd: "stale", fwdStatus: 304, collapsed: true, key: "/a b", detail: "went \"away\"" }),
 *   'usher; fwd=stale; fwd-status=304; collapsed; key="/a b"; detail="went \\"away\\""',
 * );
 * ```
 */
export function forwardedStatus(name: string, status: ForwardedStatus): string {
  let text = `${name}; fwd=${status.fwd}`;
  if (status.fwdStatus != null) text += `; fwd-status=${status.fwdStatus}`;
  if (status.stored === true) text += "; stored";
  if (status.collapsed === true) text += "; collapsed";
  if (status.ttlSeconds != null) text += `; ttl=${Math.trunc(status.ttlSeconds)}`;
  if (status.key != null) text += `; key=${serializeString(status.key)}`;
  if (status.detail != null) text += `; detail=${tokenOrString(status.detail)}`;
  return text;
}

/**
 * A member that also tells by which key (RFC 9211 §2.7).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { withKey } from "./cache_status.ts";
 * assert.equal(withKey("usher; hit; ttl=3", "api /a b"), 'usher; hit; ttl=3; key="api /a b"');
 * ```
 */
export function withKey(member: string, key: string): string {
  return `${member}; key=${serializeString(key)}`;
}

/** A member's parts between semicolons; those in quoted strings separate nothing. */
const PARAMETERS = /(?:"(?:[^"\\]|\\.)*"|[^;"])+/g;

/**
 * A member that tells more in its `detail` (RFC 9211 §2.8), and another remaining lifetime where that is not `null`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { withDetail } from "./cache_status.ts";
 * assert.equal(withDetail("usher; hit; ttl=9; detail=memory", "filled: name (en-US)"), 'usher; hit; ttl=9; detail="memory, filled: name (en-US)"');
 * assert.equal(withDetail('usher; hit; ttl=9; key="a b"', "late", 3), 'usher; hit; ttl=3; key="a b"; detail=late');
 * ```
 */
export function withDetail(member: string, detail: string, ttlSeconds: number | null = null): string {
  const last = member.lastIndexOf("; detail=");
  if (ttlSeconds === null && last > 0 && !member.includes('"') && !member.includes(";", last + 1)) {
    return `${member.slice(0, last)}; detail=${tokenOrString(`${member.slice(last + 9)}, ${detail}`)}`;
  }
  const parameters = (member.match(PARAMETERS) ?? []).map((parameter) => parameter.trim());
  let isSaid = false;
  const changed = parameters.map((parameter) => {
    if (parameter.startsWith("ttl=") && ttlSeconds !== null) return `ttl=${Math.trunc(ttlSeconds)}`;
    if (!parameter.startsWith("detail=")) return parameter;
    isSaid = true;
    const said = parameter.slice(7);
    const text = said.startsWith('"') ? said.slice(1, -1).replaceAll(/\\(.)/g, "$1") : said;
    return `detail=${tokenOrString(`${text}, ${detail}`)}`;
  });
  return (isSaid ? changed : [...changed, `detail=${tokenOrString(detail)}`]).join("; ");
}

/** Quoted strings; one that is never closed reaches to the end, so that none is read twice. */
const STRINGS = /"(?:[^"\\]|\\.?)*(?:"|$)/gs;
const NEGATIVE_TTL = /;[ \t]*ttl=-\d/;

/**
 * Whether the nearest of the caches that a response came through calls it stale (RFC 9211 §2.4).
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { saysStale } from "./cache_status.ts";
 * assert.ok(saysStale("inner; hit; ttl=-1"));
 * assert.ok(!saysStale('inner; hit; ttl=-1, outer; fwd=stale; fwd-status=304; ttl=60; key="; ttl=-1"'));
 * ```
 */
export function saysStale(received: string | null): boolean {
  if (received === null) return false;
  const members = received.replace(STRINGS, "").split(",");
  return NEGATIVE_TTL.test(members.at(-1)!);
}
