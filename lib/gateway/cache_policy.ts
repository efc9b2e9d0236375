import type { CacheRule, PolicyOptions } from "../cache/policy_options.ts";
import type { CacheRuleConfig, ListenerCacheConfig } from "../config/config.ts";
import { mediaMatcher } from "../http/media_range.ts";
import type { UpstreamType } from "../upstream_type/upstream_type.ts";

/** Longest lifetime on TMDB types: its terms let nothing be kept for longer than six months. */
const TMDB_MAX_TTL_MS = 180 * 24 * 3_600_000;

/** Compiles how a listener caches; `null` where it does not. */
export function compilePolicy(config: ListenerCacheConfig, type: UpstreamType): PolicyOptions | null {
  const mode = config.mode ?? type.cacheMode;
  if (mode === "off") return null;
  return {
    mode,
    rules: config.rules.map(compileRule),
    targetedFields: config.targetedFields,
    ignoreVary: type.ignoreVary,
    // Where the type drops the field anyway, it is the origin's edge that sets it, for itself.
    setCookie: config.setCookie ?? (type.dropFields.has("set-cookie") ? "strip" : "bypass"),
    cookies: cookieUse(config, type),
    maxTtlMs: type.name === "custom" ? null : TMDB_MAX_TTL_MS,
  };
}

/** A general origin may answer by cookie without saying so in Vary. Cookies that are part of the key keep such answers apart. */
function cookieUse({ cookies }: ListenerCacheConfig, type: UpstreamType): "bypass" | "ignore" {
  if (cookies === null) return type.name === "custom" ? "bypass" : "ignore";
  return typeof cookies === "string" ? cookies : "ignore";
}

function compileRule(rule: CacheRuleConfig): CacheRule {
  return {
    path: rule.path === null ? null : globPattern(rule.path),
    contentType: rule.contentType === null ? null : mediaMatcher([rule.contentType]),
    status: rule.status,
    ttlMs: rule.ttlMs,
    minTtlMs: rule.minTtlMs,
    maxTtlMs: rule.maxTtlMs,
    staleWhileRevalidateMs: rule.staleWhileRevalidateMs,
    staleIfErrorMs: rule.staleIfErrorMs,
    tiers: { memory: rule.memory, disk: rule.disk },
  };
}

/** A path glob as an expression: `*` stays within a segment, `**` goes across. */
export function globPattern(glob: string): RegExp {
  const source = glob.replace(/\*\*|\*|[^*]+/g, (part) => {
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    return part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&");
  });
  return new RegExp(`^${source}$`);
}
