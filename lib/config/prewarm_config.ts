/** `prewarm:` of a listener: what is fetched into the cache before anyone asks for it. */
export interface PrewarmConfig {
  /** URLs and paths as clients send them, key `paths`. */
  readonly targets: readonly string[];
  /** File with one target a line, absolute; `null` where there is none. */
  readonly file: string | null;
  /** Fetches at a time, key `concurrency`. */
  readonly concurrency: number;
  /** Fetches begun in a second, at most, key `rate`. */
  readonly ratePerSecond: number;
  /** Begin when the gateway starts, key `at_start`. */
  readonly atStart: boolean;
  /** Begin anew so often; `null` is never, key `every`. */
  readonly everyMs: number | null;
}
