import { eligible } from "./balancer.ts";
import type { Upstream } from "./upstream.ts";

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
