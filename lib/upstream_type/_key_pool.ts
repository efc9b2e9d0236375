import { retryAfterMs } from "../http/http_date.ts";
import { type Culprit, KeyVerdicts } from "./_key_verdicts.ts";
import { KEY_CELLS, LONGEST_REST_MS, SharedKey, shareIn } from "./_shared_key.ts";
import { type KeyLimits, SharedRate } from "./_shared_rate.ts";
import type { CredentialState, KeyEvent, KeyWait } from "./upstream_type.ts";

/** Options of {@linkcode KeyPool}. */
export interface KeyPoolOptions {
  readonly count: number;
  readonly now: () => number;
  readonly onEvent?: (event: KeyEvent) => void;
  /** Cells of a key's state by its index, {@linkcode KEY_CELLS} long; private memory by default. */
  readonly cellsOf?: (index: number) => Int32Array;
  /** Rate of each key; `null` for no limit. */
  readonly limits?: KeyLimits | null;
  /** Cells of the shared rate where the limit holds for all keys together. */
  readonly poolCells?: Int32Array | null;
  /** Whether requests wait while no key may be used; else the least bad one is used. */
  readonly holds?: boolean;
  /**
   * Upstreams of the pool. With several, a limit or a refusal may be that of one of them, so such a key is probed now and then.
   */
  readonly upstreams?: number;
}

/** The upstream that answered a request with a key. */
export interface KeyPlace {
  /** Id of the upstream. */
  readonly upstream: string;
  /** Whether another upstream may be asked for the same request. */
  readonly mayAskOther: boolean;
}

const MIN_COOL_DOWN_MS = 1000;
const FIRST_EJECTION_MS = 60_000;
/** Between two probes of a key that was refused and whose ejection is over, and of a limited key while all are limited. */
const REFUSED_PROBE_MS = 10_000;
const LIMITED_PROBE_MS = 1000;
/** A session needs its own key: it waits for that one this long. */
const SESSION_PATIENCE_MS = 10_000;
/** Bits of a ticket that hold the key's index. */
const INDEX_BITS = 10;

/**
 * Picks the least used key that has room and is neither limited nor refused. The state of the keys is shared by all workers. A
 * ticket names a picked key: its index, and how many rests it had before.
 */
export class KeyPool {
  readonly #keys: readonly SharedKey[];
  readonly #options: KeyPoolOptions;
  /** Rate of all keys together; `null` where each has its own. */
  readonly #rate: SharedRate | null;
  readonly #verdicts: KeyVerdicts;
  #floor = 0;
  /** Index of the refused key that another upstream is to be asked with; -1 for none. */
  #disputed = -1;

  constructor(options: KeyPoolOptions) {
    const { count, cellsOf = () => new Int32Array(KEY_CELLS), limits = null, poolCells = null } = options;
    this.#keys = Array.from({ length: count }, (_, index) => new SharedKey(cellsOf(index), limits));
    this.#rate = limits === null || poolCells === null ? null : new SharedRate(poolCells, limits, shareIn(poolCells));
    this.#verdicts = new KeyVerdicts(count);
    this.#options = options;
  }

  /**
   * Picks a key and returns its ticket; `null` where the pool has none. Where no key may be used, it returns how long to wait, or,
   * with `holds` off, the key that is back first, a limited one before a refused one. `sticky` picks the first key that is usable,
   * or will be in a moment: sessions belong to the key that they were made with.
   */
  take(sticky: boolean): number | KeyWait | null {
    if (this.#keys.length === 0) return null;
    const nowMs = this.#options.now();
    const inside = this.#keys.filter((key) => this.#isIn(key, nowMs));
    if (sticky) return this.#takeFirst(inside, nowMs);
    const probe = this.#hasRoom(nowMs) ? this.#keys.findIndex((key) => this.#mayProbe(key, nowMs)) : -1;
    if (probe >= 0) return this.#tried(probe, nowMs);
    return this.#takeOneOf(this.#undisputed(inside), nowMs);
  }

  #takeFirst(inside: readonly SharedKey[], nowMs: number): number | KeyWait {
    const first = this.#keys.find((key) => key.state !== "refused" && key.restMs(nowMs) <= SESSION_PATIENCE_MS);
    const restMs = first?.restMs(nowMs) ?? 0;
    if (restMs > 0 && this.#options.holds) return { waitMs: restMs };
    return this.#takeOneOf(inside.slice(0, 1), nowMs);
  }

  /** The disputed key alone, once; else all keys. */
  #undisputed(inside: readonly SharedKey[]): readonly SharedKey[] {
    const disputed = this.#keys[this.#disputed];
    this.#disputed = -1;
    return disputed === undefined || !inside.includes(disputed) ? inside : [disputed];
  }

  #takeOneOf(inside: readonly SharedKey[], nowMs: number): number | KeyWait {
    if (inside.length === 0) return this.#takeResting(nowMs);
    const roomInMs = ({ rate }: SharedKey) => rate?.roomInMs(nowMs) ?? 0;
    const key = leastUsed(inside.filter((one) => roomInMs(one) === 0)) ?? soonest(inside, roomInMs);
    return this.#spend(key, nowMs) ?? this.#given(this.#keys.indexOf(key));
  }

  /** Takes one request from the rates of the key and of the pool; returns the wait where one has no room. */
  #spend(key: SharedKey, nowMs: number): KeyWait | null {
    if (!this.#options.holds) {
      // Recorded, never held back: there are few such requests.
      this.#rate?.tryTake(nowMs);
      key.rate?.tryTake(nowMs);
      return null;
    }
    if (this.#rate?.tryTake(nowMs) === false) return { waitMs: Math.max(1, this.#rate.roomInMs(nowMs)) };
    if (key.rate?.tryTake(nowMs) !== false) return null;
    this.#rate?.giveBack();
    return { waitMs: Math.max(1, key.rate.roomInMs(nowMs)) };
  }

  /** Whether the rate of the pool has room; that of each key is not looked at. */
  #hasRoom(nowMs: number): boolean {
    return !this.#options.holds || (this.#rate?.hasRoom(nowMs) ?? true);
  }

  /** Records a 429. Returns whether another key may be tried. */
  limited(ticket: number, retryAfter: string | null): boolean {
    const key = this.#keys[placeOf(ticket)]!;
    const nowMs = this.#options.now();
    const askedMs = retryAfterMs(retryAfter, nowMs) ?? MIN_COOL_DOWN_MS * 2 ** streakBefore(key, nowMs);
    this.#out(ticket, "limited", nowMs + Math.min(LONGEST_REST_MS.limited, Math.max(MIN_COOL_DOWN_MS, askedMs)));
    return this.#isAnyIn(nowMs);
  }

  /**
   * Records a 401 and returns its cause; `"no other"` where it is the key and no other is left to try. Without a place no other
   * upstream can be asked.
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

  /** Records that an upstream accepted a key. An answer to a request from before the key's last rest says nothing about now. */
  accepted(ticket: number, upstream: string | null = null): void {
    const place = placeOf(ticket);
    const key = this.#keys[place]!;
    if (upstream !== null && (this.#options.upstreams ?? 1) > 1) {
      this.#verdicts.accepted(place, upstream, this.#options.now());
    }
    if (key.rests !== ticket >>> INDEX_BITS || !key.recover()) return;
    this.#options.onEvent?.({ key: place + 1, event: "recovered", untilMs: 0 });
  }

  /** States of the keys now. */
  states(): CredentialState[] {
    const nowMs = this.#options.now();
    return this.#keys.map((key, index) => {
      const leftMs = key.restMs(nowMs);
      return {
        place: index + 1,
        // A refused key counts as ready only after an upstream has accepted it.
        state: leftMs > 0 || key.state === "refused" ? key.state : "ready",
        untilMs: leftMs > 0 ? nowMs + leftMs : 0,
        ratePerSecond: key.rate?.perSecond ?? null,
      };
    });
  }

  #given(index: number): number {
    const key = this.#keys[index]!;
    this.#floor = key.share++;
    return (key.rests << INDEX_BITS) | index;
  }

  /** Takes a ticket for a key that is out, where the pool has room. */
  #tried(index: number, nowMs: number): number {
    this.#rate?.tryTake(nowMs);
    return this.#given(index);
  }

  #out(ticket: number, state: "limited" | "refused", untilMs: number): void {
    const index = placeOf(ticket);
    const key = this.#keys[index]!;
    const nowMs = this.#options.now();
    // The limit that such an old request met is over.
    if (state === "limited" && key.rests !== ticket >>> INDEX_BITS && key.restMs(nowMs) === 0) return;
    if (key.rest(state, nowMs, untilMs)) this.#options.onEvent?.({ key: index + 1, event: state, untilMs });
  }

  /** Whether a key is neither limited nor refused. */
  #isIn(key: SharedKey, nowMs: number): boolean {
    if (key.state === "ready") return true;
    if (key.state === "refused" || key.restMs(nowMs) > 0) return false;
    key.wake();
    // Without this it would get all requests until it has caught up with the others.
    key.share = Math.max(key.share, this.#floor);
    return true;
  }

  /** A refused key whose ejection is over is tried by one request at a time. */
  #mayProbe(key: SharedKey, nowMs: number): boolean {
    if (key.state !== "refused" || key.restMs(nowMs) > 0 || !key.claimProbe(nowMs, REFUSED_PROBE_MS)) return false;
    key.share = Math.max(key.share, this.#floor);
    return true;
  }

  #isAnyIn(nowMs: number): boolean {
    return this.#keys.some((key) => key.state === "ready" || (key.state === "limited" && key.restMs(nowMs) === 0));
  }

  /**
   * The wait while all keys are out. A limited key is waited for; where all were refused, the client is to see the upstream's
   * answer.
   */
  #takeResting(nowMs: number): number | KeyWait {
    const limited = this.#keys.filter((key) => key.state === "limited");
    const first = soonest(limited.length > 0 ? limited : this.#keys, (key) => key.restMs(nowMs));
    const index = this.#keys.indexOf(first);
    const { holds, upstreams = 1 } = this.#options;
    if (!holds) return this.#tried(index, nowMs);
    if (limited.length === 0) return this.#spend(first, nowMs) ?? this.#given(index);
    if (upstreams > 1 && this.#hasRoom(nowMs) && first.claimProbe(nowMs, LIMITED_PROBE_MS)) {
      return this.#tried(index, nowMs);
    }
    return { waitMs: Math.max(1, first.restMs(nowMs)) };
  }
}

/** The key that is back first. */
function soonest(keys: readonly SharedKey[], waitMs: (key: SharedKey) => number): SharedKey {
  return keys.reduce((one, other) => waitMs(other) < waitMs(one) ? other : one);
}

/** Index of the key that a ticket names. */
export function placeOf(ticket: number): number {
  return ticket & ((1 << INDEX_BITS) - 1);
}

/** Limits or refusals in a row before the present rest: several answers in one rest make it no longer. */
function streakBefore(key: SharedKey, nowMs: number): number {
  return key.restMs(nowMs) > 0 ? key.streak - 1 : key.streak;
}

function leastUsed(keys: readonly SharedKey[]): SharedKey | undefined {
  let best: SharedKey | undefined;
  for (const key of keys) if (best === undefined || key.share < best.share) best = key;
  return best;
}
