import { retryAfterMs } from "../http/http_date.ts";
import { type Culprit, KeyVerdicts } from "./_key_verdicts.ts";
import { KEY_CELLS, LONGEST_REST_MS, SharedKey } from "./_shared_key.ts";
import { type KeyLimits, SharedRate } from "./_shared_rate.ts";
import type { CredentialState, Held, KeyEvent } from "./upstream_type.ts";

/** Options of {@linkcode KeyPool}. */
export interface KeyPoolOptions {
  readonly count: number;
  readonly now: () => number;
  readonly onEvent?: (event: KeyEvent) => void;
  /** Where a key's standing is kept, by its index: {@linkcode KEY_CELLS} cells; memory of its own unless given. */
  readonly cellsOf?: (index: number) => Int32Array;
  /** What each key is given; `null` for no limit. */
  readonly limits?: KeyLimits | null;
  /** Where the limit holds for all keys together: the cells of their rate. */
  readonly poolCells?: Int32Array | null;
  /** Whether requests wait while no key may be used; else the least bad one is used all the same. */
  readonly holds?: boolean;
  /** Of the pool. A limit may be that of one of several, so that a key at its limit is tried now and then; so may a refusal. */
  readonly upstreams?: number;
}

/** Where a key was answered. */
export interface KeyPlace {
  /** Id of the upstream. */
  readonly upstream: string;
  /** Whether another upstream may be asked for the same request. */
  readonly mayAskOther: boolean;
}

const MIN_COOL_DOWN_MS = 1000;
const FIRST_EJECTION_MS = 60_000;
/** Between two tries of a key that was refused, once its ejection is over, and of one at its limit, while all are. */
const REFUSED_PROBE_MS = 10_000;
const LIMITED_PROBE_MS = 1000;
/** A session is of use only with its own key: for so short a rest of that one it waits. */
const SESSION_PATIENCE_MS = 10_000;
/** Keys that a ticket can tell apart. */
const INDEX_BITS = 10;

/**
 * Which of several keys to use: the least used one that has room and is neither limited nor refused at the moment. What it knows
 * of them is shared by all workers.
 *
 * A key that is given out is named by a ticket: its place, and which of its rests it was given out after.
 */
export class KeyPool {
  readonly #keys: readonly SharedKey[];
  readonly #options: KeyPoolOptions;
  /** Of all keys together; `null` where each has its own. */
  readonly #rate: SharedRate | null;
  readonly #verdicts: KeyVerdicts;
  #floor = 0;
  /** The key that an upstream has refused and another one is to be asked with. */
  #disputed = -1;

  constructor(options: KeyPoolOptions) {
    const { count, cellsOf = () => new Int32Array(KEY_CELLS), limits = null, poolCells = null } = options;
    this.#keys = Array.from({ length: count }, (_, index) => new SharedKey(cellsOf(index), limits));
    this.#rate = limits === null || poolCells === null ? null : new SharedRate(poolCells, limits);
    this.#verdicts = new KeyVerdicts(count);
    this.#options = options;
  }

  /**
   * A ticket for the key to use; `null` where there is none. Where none may be used it says for how long, or, if it does not hold
   * requests, gives the key that is back first, a limited one before a refused one. `sticky` asks for the first that is in
   * instead, or will be in a moment: sessions belong to the key that they were made with.
   */
  take(sticky: boolean): number | Held | null {
    if (this.#keys.length === 0) return null;
    const nowMs = this.#options.now();
    const inside = this.#keys.filter((key) => this.#isIn(key, nowMs));
    if (sticky) return this.#takeFirst(inside, nowMs);
    const probe = this.#hasRoom(nowMs) ? this.#keys.findIndex((key) => this.#mayProbe(key, nowMs)) : -1;
    if (probe >= 0) return this.#tried(probe, nowMs);
    return this.#takeOneOf(this.#undisputed(inside), nowMs);
  }

  #takeFirst(inside: readonly SharedKey[], nowMs: number): number | Held {
    const first = this.#keys.find((key) => key.standing !== "refused" && key.restMs(nowMs) <= SESSION_PATIENCE_MS);
    const restMs = first?.restMs(nowMs) ?? 0;
    if (restMs > 0 && this.#options.holds) return { heldMs: restMs };
    return this.#takeOneOf(inside.slice(0, 1), nowMs);
  }

  /** The key that is in dispute alone, once; else all. */
  #undisputed(inside: readonly SharedKey[]): readonly SharedKey[] {
    const disputed = this.#keys[this.#disputed];
    this.#disputed = -1;
    return disputed === undefined || !inside.includes(disputed) ? inside : [disputed];
  }

  #takeOneOf(inside: readonly SharedKey[], nowMs: number): number | Held {
    if (inside.length === 0) return this.#takeResting(nowMs);
    const key = leastUsed(inside.filter((one) => one.hasRoom(nowMs))) ?? soonest(inside, (one) => one.roomInMs(nowMs));
    return this.#spend(key, nowMs) ?? this.#given(this.#keys.indexOf(key));
  }

  /** Takes what a request costs, of the key and of the pool; says how long to wait where that is not there. */
  #spend(key: SharedKey, nowMs: number): Held | null {
    if (!this.#options.holds) {
      // What is there: few go out so, and they wait for nobody.
      this.#rate?.tryTake(nowMs);
      key.tryTake(nowMs);
      return null;
    }
    if (this.#rate?.tryTake(nowMs) === false) return { heldMs: Math.max(1, this.#rate.roomInMs(nowMs)) };
    if (key.tryTake(nowMs)) return null;
    this.#rate?.giveBack();
    return { heldMs: Math.max(1, key.roomInMs(nowMs)) };
  }

  /** Whether the pool may send one more request now, whatever its keys may. */
  #hasRoom(nowMs: number): boolean {
    return !this.#options.holds || (this.#rate?.hasRoom(nowMs) ?? true);
  }

  /** The upstream answered 429 to a key. Says whether there is another one to try. */
  limited(ticket: number, retryAfter: string | null): boolean {
    const key = this.#keys[placeOf(ticket)]!;
    const nowMs = this.#options.now();
    const askedMs = retryAfterMs(retryAfter, nowMs) ?? MIN_COOL_DOWN_MS * 2 ** streakBefore(key, nowMs);
    this.#out(ticket, "limited", nowMs + clamp(askedMs, MIN_COOL_DOWN_MS, LONGEST_REST_MS.limited));
    return this.#isAnyIn(nowMs);
  }

  /**
   * An upstream refused a key (401). Says whose fault that is, and where it is the key's whether there is another key to try: `"no
   * other"` where not. Without a place there is no other upstream that could say something else.
   */
  refused(ticket: number, place: KeyPlace | null = null): Culprit | "no other" {
    const nowMs = this.#options.now();
    const culprit = place === null ? "key" : this.#culprit(placeOf(ticket), place, nowMs);
    if (culprit === "unknown") this.#disputed = placeOf(ticket);
    if (culprit !== "key") return culprit;
    const ejectionMs = FIRST_EJECTION_MS * 2 ** streakBefore(this.#keys[placeOf(ticket)]!, nowMs);
    this.#out(ticket, "refused", nowMs + Math.min(ejectionMs, LONGEST_REST_MS.refused));
    return this.#isAnyIn(nowMs) ? "key" : "no other";
  }

  #culprit(key: number, { upstream, mayAskOther }: KeyPlace, nowMs: number): Culprit {
    const culprit = this.#verdicts.refused(key, upstream, { nowMs, mayAskOther });
    const { upstreams = 1 } = this.#options;
    return culprit === "unknown" && this.#verdicts.refusals(key, nowMs) >= upstreams ? "key" : culprit;
  }

  /** The upstream took a key. An answer to a request from before its last rest says nothing about now. */
  accepted(ticket: number, upstream: string | null = null): void {
    const place = placeOf(ticket);
    const key = this.#keys[place]!;
    if (upstream !== null && (this.#options.upstreams ?? 1) > 1) {
      this.#verdicts.accepted(place, upstream, this.#options.now());
    }
    if (key.rests !== ticket >>> INDEX_BITS || !key.recover()) return;
    this.#options.onEvent?.({ key: place + 1, event: "recovered", untilMs: 0 });
  }

  /** How the keys stand now. */
  states(): CredentialState[] {
    const nowMs = this.#options.now();
    return this.#keys.map((key, index) => {
      const leftMs = key.restMs(nowMs);
      return {
        place: index + 1,
        // One that was refused is believed to be well only when an upstream has taken it.
        state: leftMs > 0 || key.standing === "refused" ? key.standing : "ready",
        untilMs: leftMs > 0 ? nowMs + leftMs : 0,
        ratePerSecond: key.ratePerSecond(),
      };
    });
  }

  #given(index: number): number {
    const key = this.#keys[index]!;
    this.#floor = key.share++;
    return (key.rests << INDEX_BITS) | index;
  }

  /** A key is tried that is out, where the pool has room. */
  #tried(index: number, nowMs: number): number {
    this.#rate?.tryTake(nowMs);
    return this.#given(index);
  }

  #out(ticket: number, standing: "limited" | "refused", untilMs: number): void {
    const index = placeOf(ticket);
    const key = this.#keys[index]!;
    const nowMs = this.#options.now();
    // It is over what the answer to so old a request is about.
    if (standing === "limited" && key.rests !== ticket >>> INDEX_BITS && key.restMs(nowMs) === 0) return;
    if (key.rest(standing, nowMs, untilMs)) this.#options.onEvent?.({ key: index + 1, event: standing, untilMs });
  }

  /** Whether a key is neither limited nor refused. */
  #isIn(key: SharedKey, nowMs: number): boolean {
    if (key.standing === "ready") return true;
    if (key.standing === "refused" || key.restMs(nowMs) > 0) return false;
    key.wake();
    // Else it would get all requests until it has caught up with the others.
    key.share = Math.max(key.share, this.#floor);
    return true;
  }

  /** A refused key whose ejection is over is tried by one request at a time. */
  #mayProbe(key: SharedKey, nowMs: number): boolean {
    if (key.standing !== "refused" || key.restMs(nowMs) > 0 || !key.claimProbe(nowMs, REFUSED_PROBE_MS)) return false;
    key.share = Math.max(key.share, this.#floor);
    return true;
  }

  #isAnyIn(nowMs: number): boolean {
    return this.#keys.some((key) =>
      key.standing === "ready" || (key.standing === "limited" && key.restMs(nowMs) === 0)
    );
  }

  /** All are out. A limited one is worth waiting for; where all were refused the client had better see what the upstream says. */
  #takeResting(nowMs: number): number | Held {
    const limited = this.#keys.filter((key) => key.standing === "limited");
    const first = soonest(limited.length > 0 ? limited : this.#keys, (key) => key.restMs(nowMs));
    const index = this.#keys.indexOf(first);
    const { holds, upstreams = 1 } = this.#options;
    if (!holds) return this.#tried(index, nowMs);
    if (limited.length === 0) return this.#spend(first, nowMs) ?? this.#given(index);
    if (upstreams > 1 && this.#hasRoom(nowMs) && first.claimProbe(nowMs, LIMITED_PROBE_MS)) {
      return this.#tried(index, nowMs);
    }
    return { heldMs: Math.max(1, first.restMs(nowMs)) };
  }
}

/** The one that may be used first. */
function soonest(keys: readonly SharedKey[], waitMs: (key: SharedKey) => number): SharedKey {
  return keys.reduce((one, other) => waitMs(other) < waitMs(one) ? other : one);
}

/** Index of the key that a ticket names. */
export function placeOf(ticket: number): number {
  return ticket & ((1 << INDEX_BITS) - 1);
}

/** Limits or refusals in a row before the rest that is under way: several answers make it no longer than one. */
function streakBefore(key: SharedKey, nowMs: number): number {
  return key.restMs(nowMs) > 0 ? key.streak - 1 : key.streak;
}

function leastUsed(keys: readonly SharedKey[]): SharedKey | undefined {
  let best: SharedKey | undefined;
  for (const key of keys) if (best === undefined || key.share < best.share) best = key;
  return best;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
