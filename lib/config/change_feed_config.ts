/** `change_feed:` of a pool: what has changed upstream is looked up, and its stored responses are marked stale. */
export interface ChangeFeedConfig {
  /** Time between two look-ups, key `interval`. */
  readonly intervalMs: number;
  /** What changes are looked up for. */
  readonly kinds: readonly string[];
  /** Requests begun in a second, at most, key `rate`. */
  readonly ratePerSecond: number;
  /** Pages of one list, at most, key `max_pages`. */
  readonly maxPages: number;
}
