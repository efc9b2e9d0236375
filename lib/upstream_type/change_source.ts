/** One page of a list of what has changed. */
export interface ChangePage {
  /** Ids of what has changed; each may come twice. */
  readonly ids: readonly number[];
  /** Pages that the whole list has. */
  readonly pages: number;
}

/** Which page of which list is wanted. */
export interface ChangeAsk {
  /** One of {@linkcode ChangeSource.kinds}. */
  readonly kind: string;
  /** Day (UTC), as `2026-01-31`. */
  readonly day: string;
  /** The day goes on: the list is to reach up to now. */
  readonly isToday: boolean;
  /** From 1. */
  readonly page: number;
}

/** How an upstream of a type is asked what has changed there. */
export interface ChangeSource {
  /** What changes are listed for. */
  readonly kinds: readonly string[];
  /** Days that the lists reach back, today included. */
  readonly reachDays: number;
  /** Path and query of a page. */
  target(ask: ChangeAsk): string;
  /** Reads a page; `null` where the body is none. What makes no sense in it is left out, and it is never more than a bounded number. */
  read(body: Uint8Array): ChangePage | null;
  /** The purge tag of what has changed. */
  tag(kind: string, id: number): string;
}
