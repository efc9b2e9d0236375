import { lowBits } from "../clock.ts";
import { RateShare, SHARE_CELLS } from "../rate_share.ts";
import { type KeyLimits, RATE_CELLS, SharedRate } from "./_shared_rate.ts";

/** State of a key: usable, resting after a 429, or out after a 401. */
export type KeyState = "ready" | "limited" | "refused";

const LIMITED = 1;
const REFUSED = 2;
const STATES: readonly KeyState[] = ["ready", "limited", "refused"];

/** Low 32 bits of milliseconds since the Unix epoch: differences are right across their overflow. */
const UNTIL_MS = 0;
/** Two bits of state, five of limits or refusals in a row; the rest counts rests. */
const STATE = 1;
/** First cell of its rate. */
const RATE = 2;
const PROBED_AT_MS = RATE + RATE_CELLS;

/** 32-bit cells of a key's state. */
export const KEY_CELLS = PROBED_AT_MS + 1;

const MAX_STREAK = 16;
/** Bits of the count of rests that fit into a ticket. */
const RESTS_MASK = 0xffff;
/** The longest rests, in milliseconds. One that seems longer is over: the clock was set back, or its low bits have overflown. */
export const LONGEST_REST_MS = { limited: 300_000, refused: 3_600_000 } as const;

/** The share of a rate stands last, in memory that has one. */
export function shareIn(cells: Int32Array): RateShare | null {
  return cells.length < KEY_CELLS + SHARE_CELLS ? null : new RateShare(cells.subarray(cells.length - SHARE_CELLS));
}

/**
 * State and rate of one key in memory that all workers share. No locks: the worker whose change comes first is told so, and logs
 * it.
 */
export class SharedKey {
  readonly #cells: Int32Array;
  /** `null` for no limit. */
  readonly rate: SharedRate | null;
  /** Requests that this worker sent with it, to balance keys; raised when it comes back. */
  share = 0;

  /** @param cells {@linkcode KEY_CELLS} of them, all 0 at first */
  constructor(cells: Int32Array, limits: KeyLimits | null) {
    this.#cells = cells;
    this.rate = limits === null
      ? null
      : new SharedRate(cells.subarray(RATE, RATE + RATE_CELLS), limits, shareIn(cells));
  }

  /** The stored state: a rest that is over still counts until the key is used again. */
  get state(): KeyState {
    return STATES[this.#word & 3] ?? "ready";
  }

  /** Limits or refusals in a row. */
  get streak(): number {
    return (this.#word >> 2) & 31;
  }

  /** Rests so far, 16 bits: an answer to a request from before the last one says nothing about now. */
  get rests(): number {
    return (this.#word >>> 7) & RESTS_MASK;
  }

  /** Milliseconds until its rest is over; 0 where it has none. */
  restMs(nowMs: number): number {
    const { state } = this;
    if (state === "ready") return 0;
    const leftMs = (Atomics.load(this.#cells, UNTIL_MS) - (nowMs | 0)) | 0;
    return leftMs < 0 || leftMs > LONGEST_REST_MS[state] ? 0 : leftMs;
  }

  /** Claims the next probe of a key that may be well again, for one worker at a time. */
  claimProbe(nowMs: number, everyMs: number): boolean {
    const last = Atomics.load(this.#cells, PROBED_AT_MS);
    const now = lowBits(nowMs);
    const elapsedMs = (now - last) | 0;
    if (last !== 0 && elapsedMs >= 0 && elapsedMs < everyMs) return false;
    return Atomics.compareExchange(this.#cells, PROBED_AT_MS, last, now) === last;
  }

  /** Begins or prolongs a rest. Returns whether it is new: answers to requests that were in flight together count once. */
  rest(state: "limited" | "refused", nowMs: number, untilMs: number): boolean {
    const word = this.#word;
    const to = state === "limited" ? LIMITED : REFUSED;
    const leftMs = this.restMs(nowMs);
    if (to === LIMITED && (word & 3) === REFUSED && leftMs > 0) return false;
    const isNews = (word & 3) !== to || leftMs === 0;
    if (isNews || untilMs - nowMs > leftMs) Atomics.store(this.#cells, UNTIL_MS, untilMs | 0);
    if (!isNews) return false;
    const streak = Math.min(this.streak + 1, MAX_STREAK);
    const next = to | (streak << 2) | (((this.rests + 1) & RESTS_MASK) << 7);
    if (Atomics.compareExchange(this.#cells, STATE, word, next) !== word) return false;
    Atomics.store(this.#cells, PROBED_AT_MS, 0);
    if (to === LIMITED) this.rate?.slowDown(nowMs);
    return true;
  }

  /** Makes it usable after its rest; its streak stays. */
  wake(): void {
    const word = this.#word;
    Atomics.compareExchange(this.#cells, STATE, word, word & ~3);
  }

  /** Records that an upstream accepted it. Returns whether that changed its state. */
  recover(): boolean {
    this.rate?.speedUp();
    const word = this.#word;
    if ((word & 127) === 0) return false;
    return Atomics.compareExchange(this.#cells, STATE, word, word & ~127) === word;
  }

  get #word(): number {
    return Atomics.load(this.#cells, STATE);
  }
}
