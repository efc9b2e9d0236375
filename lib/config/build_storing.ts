import type { FileValues } from "./schema.ts";
import type { CookiesConfig, StoringConfig } from "./storing_config.ts";

type CacheValues = FileValues["listeners"][number]["cache"];

/** The storing keys of a listener's `cache:`, from the values of a sound file; `shared` are those for all listeners. */
export function buildStoring(cache: CacheValues, shared: FileValues["cache"]): StoringConfig {
  const { enabled, min_size, types, codings } = cache.compress;
  return {
    setCookie: cache.set_cookie ?? null,
    cookies: buildCookies(cache.cookies),
    range: cache.range ?? null,
    sharedStale: cache.shared_stale ?? shared.shared_stale,
    targetedFields: [...new Set(cache.targeted_fields.map((name) => name.toLowerCase()))],
    reuseAppends: cache.reuse_appends,
    compress: { enabled: enabled ?? null, minBytes: min_size, types, codings: [...new Set(codings)] },
    statusKey: cache.status_key,
    diskQuotaBytes: cache.disk_quota ?? null,
  };
}

/** Names come before `use`: they say more. */
function buildCookies(cookies: CacheValues["cookies"]): CookiesConfig | null {
  if (cookies?.key !== undefined && cookies.key.length > 0) return { key: [...new Set(cookies.key)].sort() };
  return cookies?.use ?? null;
}
