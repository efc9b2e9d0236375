import type { Upstream } from "./upstream.ts";

/**
 * Chooses an upstream. Built once for a pool; told with {@linkcode rebuild} whenever weights change. `pick` awaits
 * nothing, allocates nothing and costs O(1) or O(log n) as long as most upstreams may be chosen.
 */
export interface Balancer {
  /** Takes over the list and its weights (`effectiveWeight` or `nominalWeight`) as they are now; 0 is never chosen. */
  rebuild(upstreams: readonly Upstream[]): void;
  /**
   * One with a weight, with room, and not in `tried`; `null` where there is none.
   *
   * @param hash what the request is about, 32 bits; strategies that do not need it ignore it
   */
  pick(tried: ReadonlySet<Upstream> | null, hash: number, nowMs: number): Upstream | null;
}

/** What a strategy is built with. */
export interface BalancerOptions {
  /** In [0, 1); `Math.random` by default. */
  readonly random?: () => number;
  /** How far above its fair share of the load an upstream may go, for `consistent-hash`; 1.25 by default. */
  readonly loadFactor?: number;
}

/** Whether an upstream with this weight may be chosen for a request that has tried others. */
export function eligible(
  upstream: Upstream,
  tried: ReadonlySet<Upstream> | null,
  nowMs: number,
): boolean {
  return (tried === null || !tried.has(upstream)) && upstream.hasRoom(nowMs);
}

/** What load is measured against: the weight a strategy goes by. */
export type WeightOf = (upstream: Upstream) => number;

/**
 * The upstream with the fewest requests in flight for its weight among those that may be chosen, from `start` on around
 * the list, so that ties do not all go to the first. O(n): the way out when a strategy's own choice is tried or full.
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

/** The configured weight, ramped. */
export function nominalWeightOf(upstream: Upstream): number {
  return upstream.nominalWeight;
}
