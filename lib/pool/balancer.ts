import type { Upstream } from "./upstream.ts";

/**
 * Picks upstreams by a strategy. Made once for a pool; {@linkcode rebuild} is called whenever weights change. `pick` awaits
 * nothing, allocates nothing and costs O(1) or O(log n) as long as most upstreams are eligible.
 */
export interface Balancer {
  /** Sets the list and its weights (`effectiveWeight` or `nominalWeight`); 0 is never picked. */
  rebuild(upstreams: readonly Upstream[]): void;
  /**
   * Picks an upstream with a weight, with room, and not in `tried`; `null` where there is none.
   *
   * @param hash what the request is about, 32 bits; strategies that do not need it ignore it
   */
  pick(tried: ReadonlySet<Upstream> | null, hash: number, nowMs: number): Upstream | null;
  /** The weight that it picks an upstream by; its part of all upstreams' weights is the share that it may expect. */
  weightOf(upstream: Upstream, nowMs: number): number;
}

/** Options of a strategy. */
export interface BalancerOptions {
  /** In [0, 1); `Math.random` by default. */
  readonly random?: () => number;
  /** How far above its fair share of the load an upstream may go, for `consistent-hash`; 1.25 by default. */
  readonly loadFactor?: number;
}

/** Whether an upstream has room and was not tried. */
export function eligible(
  upstream: Upstream,
  tried: ReadonlySet<Upstream> | null,
  nowMs: number,
): boolean {
  return (tried === null || !tried.has(upstream)) && upstream.hasRoom(nowMs);
}

/** The weight that a strategy measures load against. */
export type WeightOf = (upstream: Upstream) => number;

/**
 * Picks the eligible upstream with the fewest requests in flight for its weight. It starts at `start`, so that ties do not all go
 * to the first. O(n): the fallback of strategies whose own pick is tried or full.
 */
export function leastLoaded(
  upstreams: readonly Upstream[],
  weightOf: WeightOf,
  request: { tried: ReadonlySet<Upstream> | null; nowMs: number; start: number },
): Upstream | null {
  let best: Upstream | null = null;
  let bestLoad = Infinity;
  for (let step = 0; step < upstreams.length; step++) {
    const upstream = upstreams[(request.start + step) % upstreams.length]!;
    const weight = weightOf(upstream);
    if (weight <= 0 || !eligible(upstream, request.tried, request.nowMs)) continue;
    const load = (upstream.inFlight + 1) / weight;
    if (load < bestLoad) {
      best = upstream;
      bestLoad = load;
    }
  }
  return best;
}

/** The weight that includes measured response times. */
export function effectiveWeightOf(upstream: Upstream): number {
  return upstream.effectiveWeight;
}

/** The configured weight with slow start. */
export function nominalWeightOf(upstream: Upstream): number {
  return upstream.nominalWeight;
}
