import { Turn, TurnHeap } from "./_turn_heap.ts";
import { type Balancer, type BalancerOptions, eligible } from "./balancer.ts";
import { leastLoaded, nominalWeightOf } from "./balancer.ts";
import type { Upstream } from "./upstream.ts";

/** Turns skipped before the fallback. */
const SKIPS = 16;

/**
 * Smooth weighted round robin: each upstream's turns are 1 / weight apart in virtual time, the earliest is next (an
 * earliest-deadline-first heap, O(log n)). One that cannot take its turn loses it; it does not save turns up.
 */
export class RoundRobin implements Balancer {
  readonly #random: () => number;
  readonly #heap = new TurnHeap((a, b) => a.dueAt < b.dueAt);
  #upstreams: readonly Upstream[] = [];
  #now = 0;

  constructor(options: BalancerOptions = {}) {
    this.#random = options.random ?? Math.random;
  }

  rebuild(upstreams: readonly Upstream[]): void {
    const before = new Map(this.#heap.turns.map((turn) => [turn.upstream, turn.dueAt]));
    this.#upstreams = upstreams.filter((upstream) => upstream.nominalWeight > 0);
    this.#heap.fill(this.#upstreams.map((upstream) => {
      const gap = 1 / upstream.nominalWeight;
      // A new upstream begins at a random point of its first gap: not in every worker at once.
      const dueAt = before.get(upstream) ?? this.#now + gap * this.#random();
      return new Turn(upstream, Math.min(dueAt, this.#now + gap));
    }));
  }

  pick(tried: ReadonlySet<Upstream> | null, _hash: number, nowMs: number): Upstream | null {
    const count = this.#upstreams.length;
    for (let skip = 0; skip < SKIPS && count > 0; skip++) {
      const turn = this.#heap.first!;
      this.#now = Math.max(this.#now, turn.dueAt);
      turn.dueAt = this.#now + 1 / turn.upstream.nominalWeight;
      this.#heap.moved(turn);
      if (eligible(turn.upstream, tried, nowMs)) return turn.upstream;
    }
    const start = Math.floor(this.#random() * count);
    return leastLoaded(this.#upstreams, nominalWeightOf, { tried, nowMs, start });
  }

  weightOf(upstream: Upstream): number {
    return nominalWeightOf(upstream);
  }
}
