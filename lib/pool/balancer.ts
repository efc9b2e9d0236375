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
