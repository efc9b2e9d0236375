import { parseHttpDate } from "../http/http_date.ts";
import type { KeyEvent } from "./upstream_type.ts";

/** How a key stands, for the operator. */
export interface KeyState {
  /** Place in the configuration, from 1. */
  readonly key: number;
  readonly state: "ready" | "limited" | "refused";
  readonly uses: number;
}

/** Options of {@linkcode KeyPool}. */
export interface KeyPoolOptions {
  readonly count: number;
  readonly now: () => number;
  readonly onEvent?: (event: KeyEvent) => void;
}

interface Key {
  uses: number;
  /** Balanced against the other keys; unlike `uses` it is raised when the key comes back. */
  share: number;
  state: "ready" | "limited" | "refused";
  untilMs: number;
  /** Limits or refusals in a row. */
  streak: number;
}

const MIN_COOL_DOWN_MS = 1000;
const MAX_COOL_DOWN_MS = 300_000;
const FIRST_EJECTION_MS = 60_000;
const MAX_EJECTION_MS = 3_600_000;

/** Which of several keys to use: the least used one that is neither limited nor refused at the moment. */
export class KeyPool {
  readonly #keys: readonly Key[];
  readonly #now: () => number;
  readonly #onEvent: (event: KeyEvent) => void;
  #floor = 0;

  constructor({ count, now, onEvent }: KeyPoolOptions) {
    this.#keys = Array.from({ length: count }, () => ({ uses: 0, share: 0, state: "ready", untilMs: 0, streak: 0 }));
    this.#now = now;
    this.#onEvent = onEvent ?? (() => {});
  }

  /**
   * Index of the key to use, `null` where there is none. With all keys out it is the one that is back first, a limited one before
   * a refused one. `sticky` asks for the first that can be used instead: sessions belong to the key that they were made with.
   */
  take(sticky: boolean): number | null {
    if (this.#keys.length === 0) return null;
    const nowMs = this.#now();
    let best = -1;
    for (let index = 0; index < this.#keys.length; index++) {
      if (!this.#isReady(index, nowMs)) continue;
      if (best < 0 || this.#keys[index]!.share < this.#keys[best]!.share) best = index;
      if (sticky) break;
    }
    if (best < 0) best = this.#leastBad();
    const key = this.#keys[best]!;
    key.uses++;
    this.#floor = key.share++;
    return best;
  }

  /** The upstream answered 429 to a key. Says whether there is another one to try. */
  limited(index: number, retryAfter: string | null): boolean {
    const key = this.#keys[index]!;
    const nowMs = this.#now();
    const askedMs = retryAfterMs(retryAfter, nowMs) ?? MIN_COOL_DOWN_MS * 2 ** key.streak;
    this.#out(index, "limited", nowMs + clamp(askedMs, MIN_COOL_DOWN_MS, MAX_COOL_DOWN_MS));
    return this.#isAnyReady(nowMs);
  }

  /** The upstream refused a key (401). Says whether there is another one to try. */
  refused(index: number): boolean {
    const nowMs = this.#now();
    const ejectionMs = FIRST_EJECTION_MS * 2 ** this.#keys[index]!.streak;
    this.#out(index, "refused", nowMs + Math.min(ejectionMs, MAX_EJECTION_MS));
    return this.#isAnyReady(nowMs);
  }

  /** The upstream took a key. */
  accepted(index: number): void {
    const key = this.#keys[index]!;
    if (key.streak === 0 && key.state === "ready") return;
    // A late answer to a request from before the limit says nothing about now.
    if (key.state !== "ready" && this.#now() < key.untilMs && this.#isAnyReady(this.#now())) return;
    key.streak = 0;
    key.state = "ready";
    key.untilMs = 0;
    this.#onEvent({ key: index + 1, event: "recovered", untilMs: 0 });
  }

  /** How the keys stand now. */
  states(): KeyState[] {
    const nowMs = this.#now();
    return this.#keys.map((key, index) => {
      const isBack = nowMs >= key.untilMs;
      return { key: index + 1, state: isBack ? "ready" : key.state, uses: key.uses };
    });
  }

  #out(index: number, state: "limited" | "refused", untilMs: number): void {
    const key = this.#keys[index]!;
    // Answers to requests that were under way together count as one.
    const isNews = key.state !== state || key.untilMs <= this.#now();
    key.state = state;
    key.untilMs = isNews ? untilMs : Math.max(key.untilMs, untilMs);
    if (!isNews) return;
    key.streak = Math.min(key.streak + 1, 16);
    this.#onEvent({ key: index + 1, event: state, untilMs });
  }

  #isReady(index: number, nowMs: number): boolean {
    const key = this.#keys[index]!;
    if (key.state === "ready") return true;
    if (nowMs < key.untilMs) return false;
    key.state = "ready";
    // Else it would get all requests until it has caught up with the others.
    key.share = Math.max(key.share, this.#floor);
    return true;
  }

  #isAnyReady(nowMs: number): boolean {
    return this.#keys.some((key) => key.state === "ready" || nowMs >= key.untilMs);
  }

  #leastBad(): number {
    const limited = this.#keys.filter((key) => key.state === "limited");
    const candidates = limited.length > 0 ? limited : this.#keys;
    const best = candidates.reduce((one, other) => other.untilMs < one.untilMs ? other : one);
    return this.#keys.indexOf(best);
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Milliseconds that `Retry-After` asks for (RFC 9110 §10.2.3); `null` where it is missing or unreadable. */
function retryAfterMs(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const dateMs = parseHttpDate(text, nowMs);
  return dateMs === null ? null : dateMs - nowMs;
}
