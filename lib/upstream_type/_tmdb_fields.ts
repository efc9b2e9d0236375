/** A change to the request's fields, as an upstream type makes it. */
export type FieldChange = readonly [name: string, value: string | null];

/**
 * Fields of a client that TMDB has no use for. They are not part of a cache key, so an answer must not depend on them; and what
 * a browser says about its user and the page it is on is nobody's business upstream.
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
  // With these an upstream could be made to answer another request than the key says.
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
];

/** Changes to every request on its way to TMDB. */
export const removedFromAll: readonly FieldChange[] = REMOVED.map((name) => [name, null]);

/** Response fields that say something about the origin's own site, cache, limits or transport, and would be wrong from here. */
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
