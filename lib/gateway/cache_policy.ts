import type { CacheRule, PolicyOptions } from "../cache/policy/policy_options.ts";
import type { CacheRuleConfig, ListenerCacheConfig } from "../config/caching.ts";
import type { StoringOptions } from "../request/snapshot.ts";
import { mediaMatcher } from "../http/media_range.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";
import { pathGlob } from "../pattern/path_glob.ts";

/** Compiles how a listener caches; `null` where it does not. `ownsCors` says that upstreams are not told of pages' origins. */
export function compilePolicy(config: ListenerCacheConfig, type: UpstreamType, ownsCors = false): PolicyOptions | null {
  const mode = config.mode ?? type.cacheMode;
  if (mode === "off") return null;
  return {
    mode,
    clientCacheControl: config.clientCacheControl,
    rules: config.rules.map(compileRule),
    targetedFields: config.targetedFields,
    ignoreVary: ownsCors ? new Set([...type.ignoreVary, "origin"]) : type.ignoreVary,
    // Where the type drops the field anyway, it is the origin's edge that sets it, for itself.
    setCookie: config.setCookie ?? (type.dropFields.has("set-cookie") ? "strip" : "bypass"),
    cookies: cookieUse(config, type),
    // Where ranges are passed on, a part that was asked for is worth keeping; elsewhere the whole is there.
    storePartial: mode === "rfc9111" && compileStoring(config, type).range === "pass",
    sharedStale: config.sharedStale,
    maxTtlMs: type.maxTtlMs,
  };
}

/** Compiles how a listener stores and serves beside its policy. */
export function compileStoring(config: ListenerCacheConfig, type: UpstreamType): StoringOptions {
  const { enabled, minBytes, types, codings } = config.compress;
  const compress = { minBytes, isCompressible: mediaMatcher(types), codings };
  return {
    // Documents and images are small, and wanted whole by the next client.
    range: config.range ?? (type.wholeBodies ? "fetch-full" : "pass"),
    cookieKey: typeof config.cookies === "object" && config.cookies !== null ? config.cookies.key : [],
    statusKey: config.statusKey,
    // What a general origin does not compress it may have a reason for.
    compress: (enabled ?? type.acceptEncoding === "gzip") && codings.length > 0 ? compress : null,
  };
}

/** Cookies that are part of the key keep answers apart that an origin gives by them. */
function cookieUse({ cookies, setCookie }: ListenerCacheConfig, type: UpstreamType): "bypass" | "ignore" {
  // Who lets every client have the same Set-Cookie has said that cookies tell nobody apart.
  if (cookies === null) return setCookie === "store" ? "ignore" : type.cookies;
  return typeof cookies === "string" ? cookies : "ignore";
}

function compileRule(rule: CacheRuleConfig): CacheRule {
  return {
    ...rule,
    path: rule.path === null ? null : pathGlob(rule.path),
    contentType: rule.contentType === null ? null : mediaMatcher([rule.contentType]),
  };
}
