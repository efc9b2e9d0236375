import { Turn, TurnHeap } from "./_turn_heap.ts";
import { type Balancer, type BalancerOptions, eligible, nominalWeightOf } from "./balancer.ts";
import type { Upstream } from "./upstream.ts";

/**
 * Picks the upstream with the fewest requests in flight for its weight, from a heap that is updated as requests begin and end
 * (O(log n)). Ties are broken by weighted round robin, so that an idle pool's shares are those of its weights.
 */
export class LeastInflight implements Balancer {
  readonly #random: () => number;
  readonly #heap = new TurnHeap(isLess);
  #now = 0;

  constructor(options: BalancerOptions = {}) {
    this.#random = options.random ?? Math.random;
  }

  rebuild(upstreams: readonly Upstream[]): void {
    const before = new Map(this.#heap.turns.map((turn) => [turn.upstream, turn.dueAt]));
    const turns = upstreams.filter((upstream) => upstream.nominalWeight > 0).map((upstream) => {
      const gap = 1 / upstream.nominalWeight;
      const dueAt = before.get(upstream) ?? this.#now + gap * this.#random();
      return new Turn(upstream, Math.min(dueAt, this.#now + gap));
    });
    this.#heap.fill(turns);
    for (const upstream of upstreams) upstream.watchLoad(null);
    for (const turn of turns) turn.upstream.watchLoad(() => this.#heap.moved(turn));
  }

  pick(tried: ReadonlySet<Upstream> | null, _hash: number, nowMs: number): Upstream | null {
    const first = this.#heap.first;
    if (first === undefined) return null;
    const turn = eligible(first.upstream, tried, nowMs) ? first : this.#next(tried, nowMs);
    if (turn === null) return null;
    this.#now = Math.max(this.#now, turn.dueAt);
    turn.dueAt = this.#now + 1 / turn.upstream.nominalWeight;
    this.#heap.moved(turn);
    return turn.upstream;
  }

  weightOf(upstream: Upstream): number {
    return nominalWeightOf(upstream);
  }

  /** The best eligible turn where the first is not eligible: O(n). */
  #next(tried: ReadonlySet<Upstream> | null, nowMs: number): Turn | null {
    let best: Turn | null = null;
    for (const turn of this.#heap.turns) {
      if ((best === null || isLess(turn, best)) && eligible(turn.upstream, tried, nowMs)) best = turn;
    }
    return best;
  }
}

function isLess(a: Turn, b: Turn): boolean {
  const loadA = a.upstream.inFlight / a.upstream.nominalWeight;
  const loadB = b.upstream.inFlight / b.upstream.nominalWeight;
  return loadA === loadB ? a.dueAt < b.dueAt : loadA < loadB;
}
