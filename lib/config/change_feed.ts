import type { z } from "zod";
import { upstreamTypes } from "../upstream_type/registry.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { choice, duration, flag, integer } from "./yaml/scalars.ts";
import { distinct, type Frozen, list, section, switchable } from "./yaml/section.ts";
import { DAY, SECOND } from "./yaml/units.ts";

const KINDS = ["movie", "tv", "person"] as const;

const changeFeedSection = section({
  enabled: flag().prefault(true).describe("`change_feed: true` is short for `change_feed: { enabled: true }`."),
  interval: duration(10 * SECOND, DAY).prefault("15m").describe("Time between two look-ups."),
  kinds: list(choice(KINDS), KINDS.length).min(1, { error: "a list of at least one kind" }).prefault([...KINDS])
    .describe("What changes are looked up for."),
  rate: integer(1, 20).prefault(2).describe("Requests begun in a second, at most; those of clients come first."),
  max_pages: integer(1, 500).prefault(100).describe("Pages of one list at most, of 100 ids each."),
});

/** Key of a pool that says whether changes at its upstreams are looked up. */
export const changeFeedKey = switchable(changeFeedSection).optional().describe(
  "Look up what has changed upstream, and mark its stored responses stale (type `tmdb-api`); default: never.",
);

type ChangeFeedValues = z.output<typeof changeFeedSection>;

/** A change feed is of use where upstreams have one, and where the gateway may ask with a key of its own; `path` is that of the pool. */
export function checkChangeFeed(
  { type, key_mode, change_feed }: {
    readonly type?: string | undefined;
    readonly key_mode: string;
    readonly change_feed?: ChangeFeedValues | undefined;
  },
  path: Path,
  problems: Problems,
): void {
  const at = [...path, "change_feed"];
  if (change_feed?.enabled !== true || problems.has(at)) return;
  if (upstreamTypes.traits(type)?.changes === null) {
    const others = upstreamTypes.namesWith(({ changes }) => changes !== null);
    problems.atKey(at, `found change_feed expected none on a pool of type ${type}: only ${others} lists its changes`);
  } else if (key_mode === "pass") {
    problems.atKey(at, "found change_feed expected none with `key_mode: pass`: nobody's key is there to ask with");
  }
}

/** How changes at a pool's upstreams are looked up; `null` where they are not. */
export function changeFeedOf(feed: ChangeFeedValues | undefined) {
  if (feed === undefined || !feed.enabled) return null;
  return {
    intervalMs: feed.interval,
    kinds: distinct<string>(feed.kinds),
    ratePerSecond: feed.rate,
    maxPages: feed.max_pages,
  };
}

/** `change_feed:` of a pool. */
export interface ChangeFeedConfig extends Frozen<NonNullable<ReturnType<typeof changeFeedOf>>> {}
