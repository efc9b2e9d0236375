/** Names a value: its kind, then what tells it apart, as in `["changes", "tmdb-api", "movie"]`. */
export type StateKey = readonly (string | number)[];

/** A value and its name. Values are plain data: what structured cloning copies. */
export interface StateEntry {
  readonly key: StateKey;
  readonly value: unknown;
}

/**
 * Keeps named values for longer than one process runs: purges, positions in lists of changes, prewarms, health tables. A value may be of
 * any length. Each name has one writer at a time; readers may be in other workers, and never see half a value.
 *
 * Every method throws or rejects with the error of what is below.
 */
export interface StateStore {
  /** The value of a name; `null` where there is none. */
  get(key: StateKey): Promise<unknown>;
  /** All values whose names begin with `prefix`, a kind at least, and are longer, in the order of their names. */
  list(prefix: StateKey): AsyncIterable<StateEntry>;
  /** Writes values in this order: a reader that finds one of them finds those before it. */
  set(entries: readonly StateEntry[]): Promise<void>;
  /** Removes the value of a name, if there is one and, where it is asked, `isMeant` says so: one that is set meanwhile stays. */
  delete(key: StateKey, isMeant?: (value: unknown) => boolean): Promise<void>;
  /** The value of a name now, then after each change; values that were replaced soon may be skipped. Cancel it to end it. */
  watch(key: StateKey): ReadableStream<unknown>;
}
