import { cacheKey, KEY_SEPARATOR } from "../cache/key.ts";
import type { TypedRequest } from "../upstream_type/upstream_type.ts";
import { cookieKey } from "./cookie_key.ts";
import { fieldsKey } from "./fields_key.ts";
import type { PoolRuntime, Tenant } from "./snapshot.ts";

/** The parts of a listener that its cache keys are made of. */
export type KeyingTenant = Pick<Tenant, "name" | "filterQuery" | "hostInKey"> & {
  readonly type: Pick<Tenant["type"], "keyTarget">;
};

/** The part of a cache key that a request's target gives, with the query as the listener's `cache.query` leaves it. */
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

/** A request with all that keys tell apart. */
export interface KeyedRequest extends TypedRequest {
  readonly tenant: Tenant;
  /** What its client called the gateway, as keys tell apart what upstreams are told of that. */
  readonly keyAuthority: string;
  readonly hasEmptyQuery: boolean;
  readonly isBarePrefix: boolean;
  /** What rules changed. */
  readonly changeKey: string;
}

/** The primary cache key of a request, with what its listener tells apart beside the target. */
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

/** A path as the upstream sees it: without the prefix of a listener that strips it. */
export function withoutPrefix(path: string, prefix: string): string {
  if (prefix === "/") return path;
  const rest = path.slice(prefix.length);
  return rest === "" ? "/" : rest;
}
