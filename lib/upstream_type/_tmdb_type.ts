import type { GatewayError } from "../errors.ts";
import { ContentRule, type ContentTypes } from "./_content.ts";
import { tmdbKeyForm } from "./_credentials.ts";
import { tmdbError } from "./_tmdb_errors.ts";
import { MAX_KEPT_MS } from "./_tmdb_routes.ts";
import type { ErrorBody } from "./error_body.ts";
import { type FieldChange, UpstreamType } from "./upstream_type.ts";

/**
 * Fields of a client that TMDB does not need. They are not part of the cache key, so a response must not depend on them; and what
 * browsers tell of users and pages stays private.
 */
const REMOVED = [
  "cookie",
  "origin",
  "referer",
  "dnt",
  "purpose",
  "upgrade-insecure-requests",
  "x-requested-with",
  "sec-ch-ua",
  "sec-ch-ua-mobile",
  "sec-ch-ua-platform",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-fetch-user",
  "sec-gpc",
  "sec-purpose",
  // With these a client could make an upstream answer another request than the key's.
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
];

/** Changes to every request to TMDB. */
export const removedFromAll: readonly FieldChange[] = REMOVED.map((name) => [name, null]);

/** Response fields about the origin's own site, cache, limits or transport, which would be wrong from here. */
export const tmdbDropFields: ReadonlySet<string> = new Set([
  "alt-svc",
  "nel",
  "report-to",
  "reporting-endpoints",
  "server-timing",
  "set-cookie",
  "strict-transport-security",
  "timing-allow-origin",
  "x-amz-cf-id",
  "x-amz-cf-pop",
  "x-cache",
  "x-memc",
  "x-memc-age",
  "x-memc-expires",
  "x-memc-key",
  // MoviePilot sleeps by these, for ever if they are stale.
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
]);

/** Fields that select nothing: the gateway sets or removes them where a response is shared. */
const IGNORED_VARY = ["accept", "accept-encoding", "accept-language", "authorization", "cookie", "origin"];

/** The traits that TMDB's API and its image host have in common. */
export abstract class TmdbType extends UpstreamType {
  override readonly cacheMode = "ttl";
  override readonly maxTtlMs = MAX_KEPT_MS;
  override readonly cookies = "ignore";
  override readonly forwarded = "off";
  override readonly hostInKey = false;
  override readonly wholeBodies = true;
  override readonly inspectsContent = true;
  override readonly mendsRetryAfter = true;
  /** The image host needs no key: a pool that shares its keys with one of the API is sound all the same. */
  override readonly keyForm = tmdbKeyForm;
  override readonly cors = "*";
  override readonly dropFields: ReadonlySet<string> = tmdbDropFields;
  override readonly ignoreVary: ReadonlySet<string> = new Set(IGNORED_VARY);
  /** Media types that the pool carries. */
  readonly content: ContentRule;

  /** @param verified media types whose content is verified where the pool does not choose */
  constructor(types: ContentTypes, verified: readonly string[]) {
    super();
    this.content = new ContentRule(types, verified);
  }

  override verifies(mediaType: string): boolean {
    return this.content.verifies(mediaType);
  }

  override error(error: GatewayError, requestId: string): ErrorBody {
    return tmdbError(error, requestId);
  }
}
