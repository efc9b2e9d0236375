import { type Balancer, type BalancerOptions, eligible } from "./balancer.ts";
import { hash32, mix32 } from "../hash.ts";
import { leastLoaded, nominalWeightOf } from "./balancer.ts";
import type { Upstream } from "./upstream.ts";

/** Points on the ring for an upstream of average weight: shares are even to within about a tenth. */
const POINTS = 160;

/** Most points of one upstream. */
const POINTS_LIMIT = 4_096;

/** Points tried before the fallback. */
const STEPS = 64;

/**
 * Picks the same upstream for the same hash (a cache key), for chains of gateways that each hold a part of the cache. A ring with
 * many points an upstream, searched in O(log n); an upstream that is out or over its bound passes only its own requests on to the
 * next on the ring ("consistent hashing with bounded loads", Mirrokni et al. 2017).
 */
export class ConsistentHash implements Balancer {
  readonly #random: () => number;
  readonly #loadFactor: number;
  #upstreams: readonly Upstream[] = [];
  #signature = "";
  #points = new Uint32Array(0);
  #owners = new Uint32Array(0);
  #seeds = new Uint32Array(0);
  /** Requests in flight at all upstreams, as last reported. */
  #inFlight = 0;
  #weight = 0;

  constructor(options: BalancerOptions = {}) {
    this.#random = options.random ?? Math.random;
    this.#loadFactor = options.loadFactor ?? 1.25;
  }

  rebuild(upstreams: readonly Upstream[]): void {
    this.#upstreams = upstreams.filter((upstream) => upstream.weight > 0);
    this.#weight = this.#upstreams.reduce((sum, upstream) => sum + upstream.nominalWeight, 0);
    this.#watch(upstreams);
    const signature = JSON.stringify(this.#upstreams.map(({ id, weight }) => [id, weight]));
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#layOut();
  }

  pick(tried: ReadonlySet<Upstream> | null, hash: number, nowMs: number): Upstream | null {
    const count = this.#points.length;
    if (count === 0) return null;
    const mixed = mix32(hash);
    const start = this.#firstPoint(mixed);
    for (let step = 0; step < Math.min(STEPS, count); step++) {
      const upstream = this.#upstreams[this.#owners[(start + step) % count]!]!;
      if (this.#isInBounds(upstream) && eligible(upstream, tried, nowMs)) return upstream;
    }
    return this.#highest(mixed, tried, nowMs) ?? this.#leastLoaded(tried, nowMs);
  }

  /** The ring is laid out by the configured weights; one in slow start has its whole part of it. */
  weightOf(upstream: Upstream): number {
    return upstream.nominalWeight > 0 ? upstream.weight : 0;
  }

  /** The first point at or after `hash`, around the ring. */
  #firstPoint(hash: number): number {
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#points[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isInBounds(upstream: Upstream): boolean {
    if (upstream.nominalWeight <= 0) return false;
    const fair = (this.#inFlight + 1) * upstream.nominalWeight / this.#weight;
    return upstream.inFlight + 1 <= Math.ceil(this.#loadFactor * fair);
  }

  /** Where few are eligible the ring is walked for long: rendezvous hashing is as consistent, O(n). */
  #highest(hash: number, tried: ReadonlySet<Upstream> | null, nowMs: number): Upstream | null {
    let best: Upstream | null = null;
    let highest = -1;
    for (let i = 0; i < this.#upstreams.length; i++) {
      const upstream = this.#upstreams[i]!;
      if (!this.#isInBounds(upstream) || !eligible(upstream, tried, nowMs)) continue;
      const score = mix32(hash ^ this.#seeds[i]!);
      if (score <= highest) continue;
      best = upstream;
      highest = score;
    }
    return best;
  }

  #leastLoaded(tried: ReadonlySet<Upstream> | null, nowMs: number): Upstream | null {
    const start = Math.floor(this.#random() * this.#upstreams.length);
    return leastLoaded(this.#upstreams, nominalWeightOf, { tried, nowMs, start });
  }

  #watch(upstreams: readonly Upstream[]): void {
    this.#inFlight = 0;
    for (const upstream of upstreams) {
      let seen = upstream.inFlight;
      this.#inFlight += seen;
      upstream.watchLoad(() => {
        this.#inFlight += upstream.inFlight - seen;
        seen = upstream.inFlight;
      });
    }
  }

  #layOut(): void {
    const mean = this.#upstreams.reduce((sum, { weight }) => sum + weight, 0) / this.#upstreams.length;
    const points: [point: number, owner: number][] = [];
    this.#seeds = Uint32Array.from(this.#upstreams, ({ id }) => hash32(id));
    this.#upstreams.forEach(({ weight }, owner) => {
      const count = Math.min(POINTS_LIMIT, Math.max(1, Math.round(POINTS * weight / mean)));
      const seed = this.#seeds[owner]!;
      for (let i = 0; i < count; i++) points.push([mix32(seed + Math.imul(i + 1, 0x9e3779b1)), owner]);
    });
    points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    this.#points = Uint32Array.from(points, ([point]) => point);
    this.#owners = Uint32Array.from(points, ([, owner]) => owner);
  }
}
