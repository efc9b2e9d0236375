import { type Balancer, type BalancerOptions, eligible } from "./balancer.ts";
import { effectiveWeightOf, leastLoaded } from "./balancer.ts";
import type { Upstream } from "./upstream.ts";

/** Draws before the fallback: with 1 in 2 eligible, 1 request in 256 takes it. */
const DRAWS = 8;

/**
 * Picks at random in proportion to effective weight by the alias method (Vose 1991): two table look-ups for any number of
 * upstreams. A draw that was tried is drawn again; one that is full sends the request to the least loaded.
 */
export class WeightedEwma implements Balancer {
  readonly #random: () => number;
  #upstreams: Upstream[] = [];
  /** Chance to stay at a column instead of taking its alias. */
  #stay = new Float64Array(0);
  #alias = new Uint32Array(0);

  constructor(options: BalancerOptions = {}) {
    this.#random = options.random ?? Math.random;
  }

  rebuild(upstreams: readonly Upstream[]): void {
    this.#upstreams = upstreams.filter((upstream) => upstream.effectiveWeight > 0);
    const count = this.#upstreams.length;
    if (this.#stay.length !== count) {
      this.#stay = new Float64Array(count);
      this.#alias = new Uint32Array(count);
    }
    const total = this.#upstreams.reduce((sum, upstream) => sum + upstream.effectiveWeight, 0);
    this.#upstreams.forEach((upstream, i) => this.#stay[i] = upstream.effectiveWeight * count / total);
    this.#pairColumns();
  }

  pick(tried: ReadonlySet<Upstream> | null, _hash: number, nowMs: number): Upstream | null {
    const count = this.#upstreams.length;
    if (count === 0) return null;
    for (let draw = 0; draw < DRAWS; draw++) {
      const upstream = this.#draw();
      if (eligible(upstream, tried, nowMs)) return upstream;
      if (!upstream.hasRoom(nowMs)) break;
    }
    const start = Math.floor(this.#random() * count);
    return leastLoaded(this.#upstreams, effectiveWeightOf, { tried, nowMs, start });
  }

  weightOf(upstream: Upstream): number {
    return effectiveWeightOf(upstream);
  }

  #draw(): Upstream {
    const point = this.#random() * this.#upstreams.length;
    const column = Math.floor(point);
    const index = point - column < this.#stay[column]! ? column : this.#alias[column]!;
    return this.#upstreams[index]!;
  }

  /** Fills every column below 1 from one above 1, until all hold exactly 1. */
  #pairColumns(): void {
    const small: number[] = [];
    const large: number[] = [];
    this.#stay.forEach((height, i) => (height < 1 ? small : large).push(i));
    while (small.length > 0 && large.length > 0) {
      const low = small.pop()!;
      const high = large.at(-1)!;
      this.#alias[low] = high;
      this.#stay[high] = this.#stay[high]! - (1 - this.#stay[low]!);
      if (this.#stay[high]! < 1) small.push(large.pop()!);
    }
    // What is left is 1 but for rounding.
    for (const i of [...small, ...large]) this.#stay[i] = 1;
  }
}
