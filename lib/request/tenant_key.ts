import { cacheKey } from "../cache/key.ts";
import type { TypedRequest } from "../upstream_type/upstream_type.ts";
import type { Tenant } from "./snapshot.ts";

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

/** A path as the upstream sees it: without the prefix of a listener that strips it. */
export function withoutPrefix(path: string, prefix: string): string {
  if (prefix === "/") return path;
  const rest = path.slice(prefix.length);
  return rest === "" ? "/" : rest;
}
