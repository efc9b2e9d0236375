import { type Balancer, type BalancerOptions, eligible } from "./balancer.ts";
import { leastLoaded, nominalWeightOf } from "./least_loaded.ts";
import type { Upstream } from "./upstream.ts";

/** Turns passed over before the way out. */
const SKIPS = 16;

/** One upstream and the virtual time of its next turn. */
interface Turn {
  readonly upstream: Upstream;
  dueAt: number;
}

/**
 * Smooth weighted round robin: each upstream's turns are 1 / weight apart in virtual time, the earliest is next (an
 * earliest-deadline-first heap, O(log n)). One that cannot take its turn loses it; it does not save turns up.
 */
export class RoundRobin implements Balancer {
  readonly #random: () => number;
  #upstreams: readonly Upstream[] = [];
  #heap: Turn[] = [];
  #now = 0;

  constructor(options: BalancerOptions = {}) {
    this.#random = options.random ?? Math.random;
  }

  rebuild(upstreams: readonly Upstream[]): void {
    const before = new Map(this.#heap.map((turn) => [turn.upstream, turn.dueAt]));
    this.#upstreams = upstreams.filter((upstream) => upstream.nominalWeight > 0);
    this.#heap = this.#upstreams.map((upstream) => {
      const gap = 1 / upstream.nominalWeight;
      // A newcomer begins at a random point of its first gap: not all of them, in every worker, at once.
      const dueAt = before.get(upstream) ?? this.#now + gap * this.#random();
      return { upstream, dueAt: Math.min(dueAt, this.#now + gap) };
    });
    this.#heap.sort((a, b) => a.dueAt - b.dueAt);
  }

  pick(tried: ReadonlySet<Upstream> | null, _hash: number, nowMs: number): Upstream | null {
    if (this.#heap.length === 0) return null;
    for (let skip = 0; skip < SKIPS; skip++) {
      const turn = this.#heap[0]!;
      this.#now = Math.max(this.#now, turn.dueAt);
      turn.dueAt = this.#now + 1 / turn.upstream.nominalWeight;
      this.#siftDown();
      if (eligible(turn.upstream, tried, nowMs)) return turn.upstream;
    }
    const start = Math.floor(this.#random() * this.#upstreams.length);
    return leastLoaded(this.#upstreams, nominalWeightOf, { tried, nowMs, start });
  }

  /** Puts the first turn where it belongs. */
  #siftDown(): void {
    const heap = this.#heap;
    const moving = heap[0]!;
    let hole = 0;
    for (let child = 1; child < heap.length; child = 2 * hole + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.dueAt < heap[child]!.dueAt) child++;
      if (heap[child]!.dueAt >= moving.dueAt) break;
      heap[hole] = heap[child]!;
      hole = child;
    }
    heap[hole] = moving;
  }
}
