import { Interpolated } from "./yaml/interpolate.ts";
import { choice, duration, flag, integer } from "./yaml/scalars.ts";
import { list, section, short } from "./yaml/section.ts";

const SECOND_MS = 1000;
const DAY_MS = 24 * 3_600_000;
const KINDS = ["movie", "tv", "person"] as const;

const changeFeedSection = section({
  enabled: flag().prefault(true).describe("`change_feed: true` is short for `change_feed: { enabled: true }`."),
  interval: duration(10 * SECOND_MS, DAY_MS).prefault("15m").describe("Time between two look-ups."),
  kinds: list(choice(KINDS), KINDS.length).min(1, { error: "a list of at least one kind" }).prefault([...KINDS])
    .describe(
      "What changes are looked up for.",
    ),
  rate: integer(1, 20).prefault(2).describe("Requests begun in a second, at most; those of clients come first."),
  max_pages: integer(1, 500).prefault(100).describe("Pages of one list at most, of 100 ids each."),
});

/** The key of a pool. */
export const changeFeedKeys = {
  change_feed: short(changeFeedSection, { type: "boolean" }, (value) => {
    const plain = value instanceof Interpolated ? value.value() : value;
    return typeof plain === "boolean" ? { enabled: plain } : plain;
  }).optional().describe(
    "Look up what has changed upstream, and mark its stored responses stale (type `tmdb-api`); default: never.",
  ),
};
