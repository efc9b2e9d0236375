import { queryFilter } from "../cache/key.ts";
import type { Config } from "../config/config.ts";
import type { ListenerConfig } from "../config/listener.ts";
import type { PoolConfig } from "../config/pool.ts";
import { WayBack } from "../http/way_back.ts";
import type { PoolRuntime, Tenant } from "../request/snapshot.ts";
import type { ListenerCounts } from "../metrics/gateway_metrics.ts";
import { SupersetCutter } from "../pipeline/cut_superset.ts";
import { LanguageFiller } from "../pipeline/fill_languages.ts";
import { RuleSet } from "../rules/rule_set.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import { compileAuth, compileCors } from "./access.ts";
import { compilePolicy, compileStoring } from "./cache_policy.ts";
import { requestBase } from "./compile_pool.ts";
import { compileConvert, compileDeriver, compileSizing } from "./compile_images.ts";
import { compileRewriting } from "./compile_rewriting.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { Limits } from "./limits.ts";

/** What a listener shares with others, or takes over from the snapshot before. */
export interface TenantParts {
  readonly runtime: PoolRuntime;
  readonly type: UpstreamType;
  readonly counts: ListenerCounts;
  readonly limits: Limits;
  readonly isToken: Tenant["isToken"];
  /** What belongs to another pool. */
  readonly poolOf: (name: string) => Pick<TenantParts, "runtime" | "type">;
}

/** Compiles one listener, with the runtime of its pool, and once more for each other pool that its rules name. */
export function compileTenant(config: Config, listener: ListenerConfig, parts: TenantParts): Tenant {
  const rules = listener.rules.length === 0 ? null : new RuleSet(listener.rules);
  const shared = {
    rules,
    auth: compileAuth(listener, parts.limits),
    admission: parts.limits.admission(listener),
    clientRate: parts.limits.clientRate(listener),
    byteRate: parts.limits.byteRate(listener),
    sharing: sharingOf(config, listener, parts),
  };
  const others = new Set(listener.rules.flatMap(({ pool }) => pool === null || pool === listener.pool ? [] : [pool]));
  const elsewhere = new Map([...others].map((pool) => {
    const there = { ...parts, ...parts.poolOf(pool) };
    return [pool, compileOver(config, { ...listener, pool }, there, { ...shared, elsewhere: new Map() })];
  }));
  return compileOver(config, listener, parts, { ...shared, elsewhere });
}

/** One for all its pools: the changes that lead to the others are part of its keys. */
function sharingOf(config: Config, listener: ListenerConfig, { type, poolOf }: TenantParts): Tenant["sharing"] {
  const fingerprint = fingerprintOf(config, listener, (name) => name === listener.pool ? type : poolOf(name).type);
  return fingerprint === null ? null : { fingerprint };
}

/** A listener over one pool; `shared` is the same over all of them. */
function compileOver(
  config: Config,
  listener: ListenerConfig,
  { runtime, type, counts, isToken }: TenantParts,
  shared: Pick<Tenant, "rules" | "elsewhere" | "auth" | "admission" | "clientRate" | "byteRate" | "sharing">,
): Tenant {
  const pool = config.pools.find(({ name }) => name === listener.pool)!;
  const forwarded = pool.forwarded ?? type.forwarded;
  const cors = compileCors(listener, type);
  const rewriting = compileRewriting(config, listener, type);
  return Object.freeze({
    name: listener.name,
    prefix: listener.prefix,
    stripPrefix: listener.stripPrefix,
    pool: runtime,
    type,
    policy: compilePolicy(listener.cache, type, cors !== null),
    storing: compileStoring(listener.cache, type),
    // An upstream that is told of the client's host may answer by it.
    hostInKey: type.hostInKey || pool.sending.preserveHost || forwarded !== "off",
    keyHost: listener.cache.keyHost,
    images: compileConvert(config, listener, { type, counts }),
    sizing: compileSizing(listener, type),
    filterQuery: queryFilter(listener.cache.query),
    maxRequestBodyBytes: listener.maxRequestBodyBytes,
    forwarded,
    forwardFields: listener.forwardFields,
    responseFields: [...type.responseFields, ...cors?.fields ?? []],
    isToken,
    traceTrust: listener.traceTrust,
    paceBytes: listener.limits.paceBytes,
    cors,
    counts,
    deriver: listener.cache.reuseAppends && type.documents !== null
      ? new SupersetCutter(type.documents)
      : compileDeriver(config, listener, { type, counts }),
    rewriting,
    filler: rewriting === null || rewriting.fill === null ? null : new LanguageFiller(listener.fillWaitMs),
    offline: listener.offline,
    serverTiming: listener.serverTiming,
    wayBack: compileWayBack(listener, pool, forwarded),
    ...shared,
  });
}

/** What leads responses back to a listener that takes its prefix off; `null` where nothing does. */
function compileWayBack(
  { stripPrefix, prefix, redirects }: ListenerConfig,
  { upstreams }: PoolConfig,
  forwarded: Tenant["forwarded"],
): WayBack | null {
  if (!stripPrefix || prefix === "/" || redirects === "keep") return null;
  const named = upstreams.map((upstream) => {
    const { host, protocol, hostname, port } = new URL(upstream.url);
    const { basePath, host: sent } = requestBase(upstream);
    const usualPort = protocol === "https:" ? "443" : "80";
    return { basePath, authorities: [host, sent, `${hostname}:${port === "" ? usualPort : port}`] };
  });
  return new WayBack(prefix, named, forwarded === "x-forwarded" || forwarded === "both");
}
