import assert from "node:assert/strict";
import { buildChangeFeed } from "../../lib/config/build_change_feed.ts";
import type { FileValues } from "../../lib/config/schema.ts";

Deno.test("buildChangeFeed() names each kind once, and is nothing where it is not asked for", () => {
  const build = (change_feed: unknown) => buildChangeFeed({ change_feed } as FileValues["pools"][string]);
  const feed = { enabled: true, interval: 60_000, kinds: ["tv", "movie", "tv"], rate: 3, max_pages: 7 };
  assert.deepEqual(build(feed), { intervalMs: 60_000, kinds: ["tv", "movie"], ratePerSecond: 3, maxPages: 7 });
  assert.equal(build({ ...feed, enabled: false }), null);
  assert.equal(build(undefined), null);
});
