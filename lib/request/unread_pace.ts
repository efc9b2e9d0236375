import type { Clock } from "../clock.ts";

/** How fast a body has to come in that no client reads any more: it is fetched for the cache, on a connection that others may want. */
export const UNREAD_BYTES_PER_SECOND = 1_024;
/** Each stretch of this length has to bring its share; the first one is the grace. */
export const UNREAD_STRETCH_MS = 5_000;

/** Watches how fast a body comes in while nobody reads it. */
export class UnreadPace {
  readonly #clock: Clock;
  /** Start of the stretch; `null` while somebody reads. */
  #sinceMs: number | null = null;
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes note of content that has come; `false` where it comes too slowly to go on. */
  take(bytes: number, isRead: boolean): boolean {
    if (isRead) {
      this.#sinceMs = null;
      return true;
    }
    const nowMs = this.#clock.now();
    if (this.#sinceMs === null) {
      this.#sinceMs = nowMs;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    const tookMs = nowMs - this.#sinceMs;
    if (tookMs < UNREAD_STRETCH_MS) return true;
    if (this.#bytes * 1_000 < tookMs * UNREAD_BYTES_PER_SECOND) return false;
    this.#sinceMs = nowMs;
    this.#bytes = 0;
    return true;
  }
}
