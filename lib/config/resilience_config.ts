/** What a pool does when upstreams are slow or fail: keys `panic` to `hedge` of a pool. Shares are 0 to 1. */
export interface PoolResilienceConfig {
  readonly panic: "serve-all" | "fail";
  readonly panicThreshold: number;
  /** 0 turns it off. */
  readonly slowStartMs: number;
  readonly weights: WeightsConfig;
  readonly outliers: OutliersConfig;
  readonly retry: RetryConfig;
  /** `null` where nothing is hedged. */
  readonly hedge: HedgeConfig | null;
}

/** `weights:` of a pool. */
export interface WeightsConfig {
  readonly baseMultiplier: number;
  readonly dynamicMultiplier: number;
  readonly alphaInitial: number;
  readonly alphaStep: number;
  readonly fastHalfLifeMs: number;
  readonly slowHalfLifeMs: number;
  readonly failurePenaltyMs: number;
}

/** `outliers:` of a pool. */
export interface OutliersConfig {
  readonly failureRatio: number;
  readonly windowMs: number;
  readonly minVolume: number;
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjected: number;
  readonly halfOpenSuccesses: number;
}

/** `retry:` of a pool. */
export interface RetryConfig {
  /** Tries at most, the first included. */
  readonly attempts: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Share of the requests of ten seconds. */
  readonly budget: number;
  readonly budgetFloor: number;
}

/** `hedge:` of a pool. */
export interface HedgeConfig {
  /** Milliseconds, or the 95th percentile of response times. */
  readonly after: "p95" | number;
  readonly maxExtra: number;
}

/** Limits of a listener. */
export interface ListenerLimitsConfig {
  /** `null` for no limit. */
  readonly maxInFlight: number | null;
  readonly queueSize: number;
  readonly queueTimeoutMs: number;
  /** `null` for no limit. */
  readonly rate: RateLimitConfig | null;
}

/** `rate_limit:` of a listener. */
export interface RateLimitConfig {
  readonly requests: number;
  readonly perMs: number;
  readonly burst: number;
  /** By the names of `auth`. */
  readonly byClient: boolean;
  /** Field that tells clients apart, lower case; `null` goes by address. */
  readonly header: string | null;
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
}
