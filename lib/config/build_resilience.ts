import type { ListenerLimitsConfig, PoolResilienceConfig, RateLimitConfig } from "./resilience_config.ts";
import type { FileValues } from "./schema.ts";

type PoolValues = FileValues["pools"][string];
type ListenerValues = FileValues["listeners"][number];

/** What a pool does when upstreams are slow or fail. */
export function buildResilience(pool: PoolValues): PoolResilienceConfig {
  const { retry, hedge } = pool;
  return {
    panic: pool.panic,
    panicThreshold: pool.panic_threshold,
    slowStartMs: pool.slow_start,
    weights: buildWeights(pool.weights),
    outliers: buildOutliers(pool.outliers),
    retry: {
      attempts: retry.attempts,
      backoffMs: retry.backoff,
      maxBackoffMs: Math.max(retry.backoff, retry.max_backoff),
      budget: retry.budget,
      budgetFloor: retry.budget_floor,
    },
    hedge: hedge === undefined ? null : { after: hedge.after, maxExtra: hedge.max_extra },
  };
}

function buildWeights(weights: PoolValues["weights"]): PoolResilienceConfig["weights"] {
  return {
    baseMultiplier: weights.base_weight_multiplier,
    dynamicMultiplier: weights.dynamic_weight_multiplier,
    alphaInitial: weights.alpha_initial,
    alphaStep: weights.alpha_adjustment_step,
    fastHalfLifeMs: weights.fast_half_life,
    slowHalfLifeMs: weights.slow_half_life,
    failurePenaltyMs: weights.failure_penalty,
  };
}

function buildOutliers(outliers: PoolValues["outliers"]): PoolResilienceConfig["outliers"] {
  return {
    failureRatio: outliers.failure_ratio,
    windowMs: outliers.window,
    minVolume: outliers.min_volume,
    ejectionMs: outliers.ejection_time,
    maxEjectionMs: Math.max(outliers.ejection_time, outliers.max_ejection_time),
    maxEjected: outliers.max_ejected,
    halfOpenSuccesses: outliers.probes,
  };
}

/** What a listener takes. */
export function buildLimits(listener: ListenerValues): ListenerLimitsConfig {
  return {
    maxInFlight: listener.max_in_flight ?? null,
    queueSize: listener.queue.size,
    queueTimeoutMs: listener.queue.timeout,
    rate: listener.rate_limit === undefined ? null : buildRate(listener.rate_limit),
  };
}

function buildRate(rate: NonNullable<ListenerValues["rate_limit"]>): RateLimitConfig {
  return {
    requests: rate.requests,
    perMs: rate.per,
    burst: rate.burst ?? rate.requests,
    byClient: rate.by === "client",
    header: rate.by === "header" ? rate.header.toLowerCase() : null,
    ipv4Prefix: rate.ipv4_prefix,
    ipv6Prefix: rate.ipv6_prefix,
  };
}
