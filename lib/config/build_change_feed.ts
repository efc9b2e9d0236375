import type { ChangeFeedConfig } from "./change_feed_config.ts";
import type { FileValues } from "./schema.ts";

/** What a pool's values say of its change feed; `null` where there is none. */
export function buildChangeFeed({ change_feed: feed }: FileValues["pools"][string]): ChangeFeedConfig | null {
  if (feed === undefined || !feed.enabled) return null;
  return {
    intervalMs: feed.interval,
    kinds: [...new Set(feed.kinds)],
    ratePerSecond: feed.rate,
    maxPages: feed.max_pages,
  };
}
