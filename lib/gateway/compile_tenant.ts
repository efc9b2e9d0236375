import { queryFilter } from "../cache/key.ts";
import type { Config, ListenerConfig } from "../config/config.ts";
import type { PoolRuntime, Tenant } from "../request/snapshot.ts";
import type { ListenerCounts } from "../metrics/gateway_metrics.ts";
import { SupersetCutter } from "../pipeline/cut_superset.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import { compileAuth, compileCors } from "./access.ts";
import { compilePolicy, compileStoring } from "./cache_policy.ts";
import { compileConvert, compileDeriver } from "./compile_images.ts";
import { compileRewriting } from "./compile_rewriting.ts";
import type { Limits } from "./limits.ts";

/** What a listener shares with others, or takes over from the snapshot before. */
export interface TenantParts {
  readonly runtime: PoolRuntime;
  readonly type: UpstreamType;
  readonly counts: ListenerCounts;
  readonly limits: Limits;
  readonly isToken: Tenant["isToken"];
}

/** Compiles one listener, with the runtime of its pool. */
export function compileTenant(config: Config, listener: ListenerConfig, parts: TenantParts): Tenant {
  const { runtime, type, counts, limits, isToken } = parts;
  const pool = config.pools.find(({ name }) => name === listener.pool)!;
  const forwarded = pool.forwarded ?? type.forwarded;
  const cors = compileCors(listener, type);
  return Object.freeze({
    name: listener.name,
    prefix: listener.prefix,
    stripPrefix: listener.stripPrefix,
    pool: runtime,
    type,
    policy: compilePolicy(listener.cache, type, cors !== null),
    storing: compileStoring(listener.cache, type),
    images: compileConvert(config, listener, { type, counts }),
    filterQuery: queryFilter(listener.cache.query),
    // An upstream that is told of the client's host may answer by it.
    hostInKey: type.hostInKey || pool.preserveHost || forwarded !== "off",
    maxRequestBodyBytes: listener.maxRequestBodyBytes,
    forwarded,
    forwardFields: listener.forwardFields,
    responseFields: [...type.responseFields, ...cors?.fields ?? []],
    auth: compileAuth(listener, limits),
    isToken,
    cors,
    counts,
    admission: limits.admission(listener),
    clientRate: limits.clientRate(listener),
    deriver: listener.cache.reuseAppends && type.documents !== undefined
      ? new SupersetCutter(type.documents)
      : compileDeriver(config, listener, { type, counts }),
    rewriting: compileRewriting(config, listener, type),
    offline: listener.offline,
  });
}
