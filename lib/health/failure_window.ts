/** Parts a window is kept in; the oldest is forgotten whole. */
const PARTS = 10;

/** Counts good and failed tries over the last so many milliseconds, in ten parts. */
export class FailureWindow {
  readonly #partMs: number;
  readonly #good = new Float64Array(PARTS);
  readonly #failed = new Float64Array(PARTS);
  #part = 0;

  constructor(windowMs: number) {
    this.#partMs = windowMs / PARTS;
  }

  add(good: number, failed: number, nowMs: number): void {
    const place = this.#advance(nowMs);
    this.#good[place] = this.#good[place]! + good;
    this.#failed[place] = this.#failed[place]! + failed;
  }

  /** Tries in the window. */
  volume(nowMs: number): number {
    this.#advance(nowMs);
    return sum(this.#good) + sum(this.#failed);
  }

  /** The share of failed ones, 0 where there were none at all. */
  failureRatio(nowMs: number): number {
    const volume = this.volume(nowMs);
    return volume === 0 ? 0 : sum(this.#failed) / volume;
  }

  clear(): void {
    this.#good.fill(0);
    this.#failed.fill(0);
  }

  /**
   * Empties the parts that time has passed; the place of the present one. A clock that goes back a little stays in its
   * part, one that was set back far begins anew.
   */
  #advance(nowMs: number): number {
    const part = Math.floor(nowMs / this.#partMs);
    const passed = part < this.#part - PARTS ? PARTS : Math.min(part - this.#part, PARTS);
    for (let step = 1; step <= passed; step++) {
      const place = (this.#part + step) % PARTS;
      this.#good[place] = this.#failed[place] = 0;
    }
    if (passed > 0) this.#part = part;
    if (passed === PARTS) this.clear();
    return this.#part % PARTS;
  }
}

function sum(parts: Float64Array): number {
  let total = 0;
  for (const part of parts) total += part;
  return total;
}
