/** What a summary knows of one key. */
export interface Heavy {
  readonly key: string;
  /** At least the true weight, and at most `over` more. */
  readonly weight: number;
  readonly over: number;
}

/**
 * The heaviest keys of an endless stream in bounded memory (SpaceSaving, Metwally et al. 2005). Of a stream with weights W in all, a
 * summary of k keys holds every key with more than W/k, and overstates none by more than W/k.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { SpaceSaving } from "./space_saving.ts";
 * const summary = new SpaceSaving(2);
 * for (const key of ["a", "b", "a", "c", "a"]) summary.add(key, 1);
 * assert.deepEqual(summary.heaviest()[0], { key: "a", weight: 3, over: 0 });
 * ```
 */
export class SpaceSaving {
  readonly #capacity: number;
  readonly #places = new Map<string, number>();
  readonly #keys: string[] = [];
  readonly #weights: Float64Array;
  readonly #over: Float64Array;
  /** Place of the lightest; -1 where it is not known. */
  #lightest = -1;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#weights = new Float64Array(capacity);
    this.#over = new Float64Array(capacity);
  }

  /** Adds a weight of zero or more. A key that is not held replaces the lightest and takes its weight over. */
  add(key: string, weight: number): void {
    const place = this.#places.get(key);
    if (place !== undefined) {
      this.#weights[place]! += weight;
      // All others are as heavy as they were.
      if (place === this.#lightest) this.#lightest = -1;
      return;
    }
    if (weight > 0) this.#replace(key, weight);
  }

  #replace(key: string, weight: number): void {
    const isFull = this.#keys.length === this.#capacity;
    const place = isFull ? this.#findLightest() : this.#keys.length;
    const before = isFull ? this.#weights[place]! : 0;
    if (isFull) this.#places.delete(this.#keys[place]!);
    this.#places.set(key, place);
    this.#keys[place] = key;
    this.#weights[place] = before + weight;
    this.#over[place] = before;
    this.#lightest = -1;
  }

  /** The keys held, the heaviest first. */
  heaviest(): Heavy[] {
    return this.#keys.map((key, place) => ({ key, weight: this.#weights[place]!, over: this.#over[place]! }))
      .sort((a, b) => b.weight - a.weight);
  }

  #findLightest(): number {
    if (this.#lightest >= 0) return this.#lightest;
    const weights = this.#weights;
    let lightest = 0;
    for (let place = 1; place < this.#capacity; place++) {
      if (weights[place]! < weights[lightest]!) lightest = place;
    }
    return this.#lightest = lightest;
  }
}
