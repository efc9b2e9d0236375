import type { OutlierOptions } from "../health/outlier_detector.ts";
import type { WeightOptions } from "../health/weights.ts";
import type { HedgeOptions } from "../upstream_client/hedge.ts";
import { choice, duration, durationOr, integer, positiveNumber, share } from "./yaml/scalars.ts";
import { asMapping, section, type Values } from "./yaml/section.ts";
import { DAY, HOUR, SECOND } from "./yaml/units.ts";

/** `weights:` of a pool. */
const weightsSection = section({
  base_weight_multiplier: positiveNumber(1000).prefault(1).describe("Trust in the long-term response time."),
  dynamic_weight_multiplier: positiveNumber(1000).prefault(1).describe("Trust in the recent response time."),
  alpha_initial: share().prefault(0.5).describe("Where the mix of the two begins: 0 all long term, 1 all recent."),
  alpha_adjustment_step: share().prefault(0.05).describe(
    "How far the mix moves in a second while recent and long term disagree.",
  ),
  fast_half_life: duration(100, HOUR).prefault("5s").describe("Time after which a recent measurement counts half."),
  slow_half_life: duration(SECOND, DAY).prefault("2m").describe("The same for the long-term measurement."),
  failure_penalty: duration(0, HOUR).prefault("5s").describe("What a failed try counts as, before `Retry-After`."),
});

/** `outliers:` of a pool. */
const outliersSection = section({
  failure_ratio: share().prefault("50%").describe("Share of failed requests over the window that takes one out."),
  window: duration(SECOND, HOUR).prefault("10s").describe("Time over which failures are counted."),
  min_volume: integer(1, 1_000_000).prefault(20).describe("Requests in the window below which the share says nothing."),
  ejection_time: duration(100, DAY).prefault("10s").describe("The first ejection; each further one is twice as long."),
  max_ejection_time: duration(100, DAY).prefault("5m").describe("The longest ejection."),
  max_ejected: share().prefault("50%").describe("Share of the pool that may be out; one always may."),
  probes: integer(1, 1000).prefault(3).describe("Good answers in a row that end a trial after an ejection."),
});

/** `retry:` of a pool. */
const retrySection = section({
  attempts: integer(1, 20).prefault(3).describe(
    "Tries at most, the first included; each at another upstream if there is one.",
  ),
  backoff: duration(1, HOUR).prefault("50ms").describe(
    "Longest first pause before the same upstream is asked again; doubles, and chance shortens it.",
  ),
  max_backoff: duration(1, HOUR).prefault("2s").describe(
    "Longest pause, one that `Retry-After` asks for included: what asks for more is not waited for.",
  ),
  budget: share().prefault("20%").describe(
    "Retries in ten seconds, as a share of the requests, in each worker; more wait their turn while retries help, and are " +
      "refused once most have failed too.",
  ),
  budget_floor: integer(1, 10_000).prefault(3).describe("Retries in ten seconds however few requests there are."),
});

/** `hedge:` of a pool. */
const hedgeSection = section({
  after: durationOr("p95", 1, HOUR).prefault("p95").describe(
    "Time without an answer after which a second upstream is asked; `p95` is what 95 % of the answers stay below.",
  ),
  max_extra: share().prefault("5%").describe("Share of the requests that may be asked twice."),
});

/** Keys of a pool that say what it does when upstreams are slow or fail. */
export const resilienceKeys = {
  panic: choice(["serve-all", "fail"]).prefault("serve-all").describe(
    "What to do when too few upstreams are in: use the others too, or only those that are in.",
  ),
  panic_threshold: share().prefault("50%").describe("Share of the upstreams below which too few are in."),
  slow_start: duration(0, DAY).prefault("30s").describe(
    "Time over which an upstream that was added or has recovered climbs to its share; `0` turns it off.",
  ),
  weights: asMapping(weightsSection).prefault({}).describe("How measured response times become weights."),
  outliers: asMapping(outliersSection).prefault({}).describe(
    "When failed requests take an upstream out, beside `health.max_failures`, and for how long.",
  ),
  retry: asMapping(retrySection).prefault({}).describe("What happens after a failed try."),
  hedge: asMapping(hedgeSection).optional().describe(
    "Asks a second upstream when the first is late, for GET requests that are shared; default: never.",
  ),
};

type ResilienceValues = Values<typeof resilienceKeys>;

/** What a pool does when upstreams are slow or fail. Shares are 0 to 1. */
export function resilienceOf(
  { panic, panic_threshold, slow_start, weights, outliers, retry, hedge }: ResilienceValues,
) {
  return {
    panic,
    panicThreshold: panic_threshold,
    slowStartMs: slow_start,
    weights: weightsOf(weights),
    outliers: outliersOf(outliers),
    retryBudget: { share: retry.budget, floor: retry.budget_floor },
    hedge: hedge === undefined ? null : hedgeOf(hedge),
  };
}

function hedgeOf({ after, max_extra }: NonNullable<ResilienceValues["hedge"]>): HedgeOptions {
  return { after: after === "p95" ? after : { delayMs: after }, maxExtra: max_extra };
}

function weightsOf(weights: ResilienceValues["weights"]): Omit<WeightOptions, "alphaMax"> {
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

function outliersOf(outliers: ResilienceValues["outliers"]): Omit<OutlierOptions, "jitter" | "consecutiveFailures"> {
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
