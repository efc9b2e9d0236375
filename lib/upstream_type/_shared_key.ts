import { lowBits } from "../clock.ts";
import { type KeyLimits, RATE_CELLS, SharedRate } from "./_shared_rate.ts";

/** How a key stands: usable, resting after a 429, or out after a 401. */
export type KeyStanding = "ready" | "limited" | "refused";

const LIMITED = 1;
const REFUSED = 2;
const STANDINGS: readonly KeyStanding[] = ["ready", "limited", "refused"];

/** Milliseconds since the Unix epoch, of which the low 32 bits are kept: a difference is right across their overflow. */
const UNTIL_MS = 0;
/** Two bits of standing, five of limits or refusals in a row, the rest counts rests. */
const STANDING = 1;
/** The first of those of its rate. */
const RATE = 2;
const PROBED_AT_MS = RATE + RATE_CELLS;

/** How many 32-bit cells a key's standing takes. */
export const KEY_CELLS = PROBED_AT_MS + 1;

const MAX_STREAK = 16;
/** Of the count of rests as much as a credential's number has room for. */
const RESTS_MASK = 0xffff;
/** The longest rests, in milliseconds. One that seems longer is over: the clock was set back, or its low bits have overflown. */
export const LONGEST_REST_MS = { limited: 300_000, refused: 3_600_000 } as const;

/**
 * One key, as all workers know it: its standing, and a token bucket for its rate, in shared memory. No locks: whoever changes the
 * standing first is told so, and tells the log.
 */
export class SharedKey {
  readonly #cells: Int32Array;
  /** `null` for no limit. */
  readonly #rate: SharedRate | null;
  /** Requests that this worker gave it, for balance with others; raised when it comes back. */
  share = 0;

  /** @param cells {@linkcode KEY_CELLS} of them, all 0 at first */
  constructor(cells: Int32Array, limits: KeyLimits | null) {
    this.#cells = cells;
    this.#rate = limits === null ? null : new SharedRate(cells.subarray(RATE, RATE + RATE_CELLS), limits);
  }

  /** As last heard: a rest that is over is still named until the key is used again. */
  get standing(): KeyStanding {
    return STANDINGS[this.#word & 3] ?? "ready";
  }

  /** Limits or refusals in a row. */
  get streak(): number {
    return (this.#word >> 2) & 31;
  }

  /** How many rests it has had, 16 bits: a request that was begun before the last one says nothing about now. */
  get rests(): number {
    return (this.#word >>> 7) & RESTS_MASK;
  }

  /** Milliseconds that are left of its rest. */
  restMs(nowMs: number): number {
    const { standing } = this;
    if (standing === "ready") return 0;
    const leftMs = (Atomics.load(this.#cells, UNTIL_MS) - (nowMs | 0)) | 0;
    return leftMs < 0 || leftMs > LONGEST_REST_MS[standing] ? 0 : leftMs;
  }

  /** Requests per second that it may be given now; `null` for no limit. */
  ratePerSecond(): number | null {
    return this.#rate?.perSecond ?? null;
  }

  /** Takes what one request costs, if it is there. */
  tryTake(nowMs: number): boolean {
    return this.#rate?.tryTake(nowMs) ?? true;
  }

  /** Whether one more request may be sent now. */
  hasRoom(nowMs: number): boolean {
    return this.#rate?.hasRoom(nowMs) ?? true;
  }

  /** Milliseconds until one more request may be sent, if nobody else sends one. */
  roomInMs(nowMs: number): number {
    return this.#rate?.roomInMs(nowMs) ?? 0;
  }

  /** Of all workers one at a time is told to try a key that may be well again. */
  claimProbe(nowMs: number, everyMs: number): boolean {
    const last = Atomics.load(this.#cells, PROBED_AT_MS);
    const now = lowBits(nowMs);
    const elapsedMs = (now - last) | 0;
    if (last !== 0 && elapsedMs >= 0 && elapsedMs < everyMs) return false;
    return Atomics.compareExchange(this.#cells, PROBED_AT_MS, last, now) === last;
  }

  /** A rest begins, or goes on for longer. Says whether it is news: answers to requests that were under way together count as one. */
  rest(standing: "limited" | "refused", nowMs: number, untilMs: number): boolean {
    const word = this.#word;
    const to = standing === "limited" ? LIMITED : REFUSED;
    const leftMs = this.restMs(nowMs);
    if (to === LIMITED && (word & 3) === REFUSED && leftMs > 0) return false;
    const isNews = (word & 3) !== to || leftMs === 0;
    if (isNews || untilMs - nowMs > leftMs) Atomics.store(this.#cells, UNTIL_MS, untilMs | 0);
    if (!isNews) return false;
    const streak = Math.min(this.streak + 1, MAX_STREAK);
    const next = to | (streak << 2) | (((this.rests + 1) & RESTS_MASK) << 7);
    if (Atomics.compareExchange(this.#cells, STANDING, word, next) !== word) return false;
    Atomics.store(this.#cells, PROBED_AT_MS, 0);
    if (to === LIMITED) this.#rate?.slowDown(nowMs);
    return true;
  }

  /** Its rest is over and it may be used by all; what it has suffered is not forgotten yet. */
  wake(): void {
    const word = this.#word;
    Atomics.compareExchange(this.#cells, STANDING, word, word & ~3);
  }

  /** An upstream took it. Says whether that is news. */
  recover(): boolean {
    this.#rate?.speedUp();
    const word = this.#word;
    if ((word & 127) === 0) return false;
    return Atomics.compareExchange(this.#cells, STANDING, word, word & ~127) === word;
  }

  get #word(): number {
    return Atomics.load(this.#cells, STANDING);
  }
}
