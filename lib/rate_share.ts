/** Whether gateways share the rate, 0 or 1. */
const IS_SHARED = 0;
/** Thousandths of a request per second that all gateways may send together. */
const MAX = 1;
/** The same of what this gateway may; 0 until it is told. */
const SHARE = 2;
/** Requests that wanted to be sent, up to an overflow. */
const WANTED = 3;

/** 32-bit cells of a share. */
export const SHARE_CELLS = 4;

const ONE = 1_000;

/**
 * This gateway's part of a rate that several keep together, in memory of all its workers. Where they share it, nothing may be sent
 * before a part is granted: the others may be using all of it.
 */
export class RateShare {
  readonly #cells: Int32Array;

  /** @param cells {@linkcode SHARE_CELLS} of them, all 0 at first */
  constructor(cells: Int32Array) {
    this.#cells = cells;
  }

  /** Whether it is one of several gateways' parts. */
  get isShared(): boolean {
    return Atomics.load(this.#cells, IS_SHARED) === 1;
  }

  /** Has other gateways be asked for a part of so much. */
  ask(maxPerSecond: number): void {
    Atomics.store(this.#cells, MAX, Math.round(maxPerSecond * ONE));
  }

  /** Requests per second of this gateway, of `maxPerSecond` for all. */
  of(maxPerSecond: number): number {
    return this.isShared ? Math.min(maxPerSecond, Atomics.load(this.#cells, SHARE) / ONE) : maxPerSecond;
  }

  /** Takes note of a request that wants to be sent: gateways with more of them get more. */
  want(): void {
    if (this.isShared) Atomics.add(this.#cells, WANTED, 1);
  }

  /** From now on gateways share it. */
  share(): void {
    Atomics.store(this.#cells, IS_SHARED, 1);
  }

  /** What is asked for, in thousandths; 0 where nothing is. */
  get asked(): number {
    return this.isShared ? Atomics.load(this.#cells, MAX) : 0;
  }

  /** Requests that wanted to be sent, so far: differences are right across an overflow. */
  get wanted(): number {
    return Atomics.load(this.#cells, WANTED);
  }

  /** What was granted, in thousandths. */
  get granted(): number {
    return Atomics.load(this.#cells, SHARE);
  }

  grant(thousandths: number): void {
    Atomics.store(this.#cells, SHARE, thousandths);
  }
}
