import { type Balancer, type BalancerOptions, eligible } from "./balancer.ts";
import { leastLoaded, nominalWeightOf } from "./balancer.ts";
import type { Upstream } from "./upstream.ts";

/** Pairs drawn before the fallback. */
const DRAWS = 4;

/**
 * Power of two choices: picks, of two upstreams drawn at random, the one with the shorter expected wait, by this worker's peak
 * EWMA of response times and the requests in flight. Reacts to a stall within one answer. In slow start an upstream is drawn less
 * often.
 */
export class P2cEwma implements Balancer {
  readonly #random: () => number;
  #upstreams: readonly Upstream[] = [];

  constructor(options: BalancerOptions = {}) {
    this.#random = options.random ?? Math.random;
  }

  rebuild(upstreams: readonly Upstream[]): void {
    this.#upstreams = upstreams.filter((upstream) => upstream.nominalWeight > 0);
  }

  pick(tried: ReadonlySet<Upstream> | null, _hash: number, nowMs: number): Upstream | null {
    const count = this.#upstreams.length;
    for (let draw = 0; draw < DRAWS && count > 0; draw++) {
      const first = Math.floor(this.#random() * count);
      const second = count === 1 ? first : (first + 1 + Math.floor(this.#random() * (count - 1))) % count;
      const a = this.#drawn(first, tried, nowMs);
      const b = this.#drawn(second, tried, nowMs);
      if (a !== null && b !== null) return waitMs(a, nowMs) <= waitMs(b, nowMs) ? a : b;
      if (a !== null || b !== null) return a ?? b;
    }
    const start = Math.floor(this.#random() * count);
    return leastLoaded(this.#upstreams, nominalWeightOf, { tried, nowMs, start });
  }

  /** With few requests the faster of each two gets more than that. */
  weightOf(upstream: Upstream, nowMs: number): number {
    return upstream.nominalWeight * upstream.promptness / (upstream.costMs(nowMs) + 1);
  }

  #drawn(index: number, tried: ReadonlySet<Upstream> | null, nowMs: number): Upstream | null {
    const upstream = this.#upstreams[index]!;
    if (!eligible(upstream, tried, nowMs)) return null;
    const part = upstream.nominalWeight / upstream.weight;
    return part >= 1 || this.#random() < part ? upstream : null;
  }
}

/** Expected wait of a new request, for a unit of weight. A millisecond is added because an unknown time is not zero. */
function waitMs(upstream: Upstream, nowMs: number): number {
  return (upstream.costMs(nowMs) + 1) * (upstream.inFlight + 1) / (upstream.weight * upstream.promptness);
}
