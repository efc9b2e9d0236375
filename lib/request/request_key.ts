import { createHash } from "node:crypto";
import { cacheKey, KEY_SEPARATOR } from "../cache/key.ts";
import { toldApart, type ToldFacts } from "../http/forwarded.ts";
import type { TypedRequest } from "../upstream_type/upstream_type.ts";
import type { PoolRuntime, Tenant } from "./snapshot.ts";

/** A listener, as far as cache keys depend on it. */
export type KeyingTenant = Pick<Tenant, "name" | "filterQuery" | "hostInKey"> & {
  readonly type: Pick<Tenant["type"], "keyTarget">;
};

/** The target's part of a cache key, its query filtered by the listener's `cache.query`. */
export function keyTargetOf(tenant: Pick<KeyingTenant, "filterQuery" | "type">, request: TypedRequest): string {
  const filter = tenant.filterQuery;
  if (filter === null) return tenant.type.keyTarget(request);
  const { method, path } = request;
  return tenant.type.keyTarget({
    method,
    path,
    query: filter(request.query),
    header: (name) => request.header(name),
  });
}

/** The primary cache key of a request to a listener; `authority` is the client's. */
export function tenantKey(tenant: KeyingTenant, request: TypedRequest, authority: string): string {
  const host = tenant.hostInKey ? authority.toLowerCase() : "";
  return cacheKey({ listener: tenant.name, host, target: keyTargetOf(tenant, request) });
}

/** The client's authority as it is part of keys, with what upstreams are told of how the client came. */
export function keyAuthorityOf(
  { hostInKey, keyHost, forwarded }: Pick<Tenant, "hostInKey" | "keyHost" | "forwarded">,
  facts: ToldFacts,
): string {
  const { authority, scheme } = facts;
  if (!hostInKey) return authority;
  if (keyHost === null) return authority + toldApart(forwarded, facts);
  // Whatever host a proxy says that the client used.
  const header = (name: string) => name === "x-forwarded-host" ? null : facts.header(name);
  return keyHost + toldApart(forwarded, { authority, scheme, header, isTrusted: () => facts.isTrusted() });
}

/** A request, as far as its cache key depends on it. */
export interface KeyedRequest extends TypedRequest {
  readonly tenant: Tenant;
  /** The client's authority, with the forwarding facts that upstreams are told. */
  readonly keyAuthority: string;
  readonly hasEmptyQuery: boolean;
  readonly isBarePrefix: boolean;
  /** The part of the key that rules add; often empty. */
  readonly changeKey: string;
}

/** The primary cache key of a request: of its target, cookies, forwarded fields and the changes that rules make. */
export function requestKey(request: KeyedRequest): string {
  const { tenant } = request;
  return tenantKey(tenant, request, request.keyAuthority) + (request.hasEmptyQuery ? "?" : "") +
    (request.isBarePrefix && hasBasePath(tenant.pool) ? BARE_PREFIX : "") +
    cookieKey(tenant.storing.cookieKey, () => request.header("cookie")) +
    fieldsKey(tenant.forwardFields, (name) => request.header(name)) + request.changeKey;
}

/** Tells `/pre` from `/pre/` where an upstream sees them as `/base` and `/base/`. */
const BARE_PREFIX = `${KEY_SEPARATOR}~bare`;

function hasBasePath({ endpoints }: PoolRuntime): boolean {
  for (const { basePath } of endpoints.values()) if (basePath !== "") return true;
  return false;
}

/** Characters of a `Cookie` field that are parsed. */
const MAX_COOKIE_LENGTH = 16_384;

/**
 * The cookies' part of a cache key: a hash, since keys are shown and cookies are secret; empty where no cookie is named. Requests
 * without any of the named cookies share one key.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cookieKey } from "./request_key.ts";
 * const key = (cookie: string | null) => cookieKey(["lang", "region"], () => cookie);
 * assert.equal(key("a=1; lang=de"), key("lang=de; a=2"));
 * assert.notEqual(key("lang=de"), key("lang=fr"));
 * assert.notEqual(key("lang=de"), key("region=de"));
 * assert.equal(cookieKey([], () => "lang=de"), "");
 * ```
 */
export function cookieKey(names: readonly string[], cookie: () => string | null): string {
  if (names.length === 0) return "";
  const values = cookieValues((cookie() ?? "").slice(0, MAX_COOKIE_LENGTH));
  const text = names.map((name) => `${name}=${values.get(name) ?? ""}`).join("\n");
  return `${KEY_SEPARATOR}~cookie:${shortHash(text)}`;
}

/** The first value of each name (RFC 6265 §4.2.1). */
function cookieValues(cookie: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const pair of cookie.split(";")) {
    const equals = pair.indexOf("=");
    const name = (equals < 0 ? pair : pair.slice(0, equals)).trim();
    if (!values.has(name)) values.set(name, equals < 0 ? "" : pair.slice(equals + 1).trim());
  }
  return values;
}

/**
 * The forwarded fields' part of a cache key: a hash of their values; empty where the request has none of them. `names` are in lower
 * case and sorted.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { fieldsKey } from "./request_key.ts";
 * const key = (fields: Record<string, string>) => fieldsKey(["x-forwarded-ssl", "x-host"], (name) => fields[name] ?? null);
 * assert.equal(key({ accept: "text/html" }), "");
 * assert.notEqual(key({ "x-host": "a" }), key({ "x-host": "b" }));
 * assert.notEqual(key({ "x-host": "a" }), key({ "x-forwarded-ssl": "a" }));
 * assert.notEqual(key({ "x-host": "" }), "");
 * ```
 */
export function fieldsKey(names: readonly string[], header: (name: string) => string | null): string {
  let text = "";
  for (const name of names) {
    const value = header(name);
    if (value !== null) text += `${name}:${value}\n`;
  }
  if (text === "") return "";
  return `${KEY_SEPARATOR}~fields:${shortHash(text)}`;
}

/** 128 bits of SHA-256, in hexadecimal. */
function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** A path as the upstream sees it: without the prefix of a listener that strips it. */
export function withoutPrefix(path: string, prefix: string): string {
  if (prefix === "/") return path;
  const rest = path.slice(prefix.length);
  return rest === "" ? "/" : rest;
}

/** The path that upstreams are asked for: as rules changed it, else as the client sent it, within the listener's sizes of pictures. */
export function fetchedPath(
  { stripPrefix, prefix, sizing }: Pick<Tenant, "stripPrefix" | "prefix" | "sizing">,
  sent: string,
  changed: string | null,
): string {
  const path = changed ?? (stripPrefix ? withoutPrefix(sent, prefix) : sent);
  return sizing === null ? path : sizing.bounded?.(path) ?? path;
}
