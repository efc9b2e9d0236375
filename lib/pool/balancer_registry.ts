import type { Balancer, BalancerOptions } from "./balancer.ts";
import { ConsistentHash } from "./consistent_hash.ts";
import { LeastInflight } from "./least_inflight.ts";
import { P2cEwma } from "./p2c_ewma.ts";
import { RoundRobin } from "./round_robin.ts";
import { WeightedEwma } from "./weighted_ewma.ts";

/** Strategies by their names in a configuration. A new one is one file and one line here. */
const STRATEGIES: Readonly<Record<string, new (options: BalancerOptions) => Balancer>> = {
  "weighted-ewma": WeightedEwma,
  "p2c-ewma": P2cEwma,
  "least-inflight": LeastInflight,
  "round-robin": RoundRobin,
  "consistent-hash": ConsistentHash,
};

/** The names of all strategies; the first is the default. */
export const balancerNames: readonly string[] = Object.keys(STRATEGIES);

/**
 * A new balancer of the strategy called `name`.
 *
 * @throws {RangeError} there is no such strategy
 */
export function createBalancer(name: string, options: BalancerOptions = {}): Balancer {
  const Strategy = Object.hasOwn(STRATEGIES, name) ? STRATEGIES[name] : undefined;
  if (Strategy === undefined) {
    throw new RangeError(`Cannot create balancer: name must be one of ${balancerNames.join(", ")}: received "${name}"`);
  }
  return new Strategy(options);
}
