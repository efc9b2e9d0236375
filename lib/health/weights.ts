import type { OutcomeBatch } from "../pool/outcome.ts";

/** How measured response times become weights. `docs/balancing.md` explains the formula. */
export interface WeightOptions {
  /** Half-life of the recent average. */
  readonly fastHalfLifeMs: number;
  /** Half-life of the long-term average. */
  readonly slowHalfLifeMs: number;
  /** Response time of a failed try, before `Retry-After` is added. */
  readonly failurePenaltyMs: number;
  /** Weight of the long term, key `base_weight_multiplier`. */
  readonly baseMultiplier: number;
  /** Weight of the recent, key `dynamic_weight_multiplier`. */
  readonly dynamicMultiplier: number;
  /** Start and resting point of the mix of the two, 0 (all base) to 1 (all dynamic), key `alpha_initial`. */
  readonly alphaInitial: number;
  /** Change of the mix in a second while recent and long term disagree, key `alpha_adjustment_step`. */
  readonly alphaStep: number;
  /** Upper bound of the mix. */
  readonly alphaMax: number;
}

/** Defaults of {@linkcode WeightOptions}. */
export const WEIGHT_DEFAULTS: WeightOptions = {
  fastHalfLifeMs: 5_000,
  slowHalfLifeMs: 120_000,
  failurePenaltyMs: 5_000,
  baseMultiplier: 1,
  dynamicMultiplier: 1,
  alphaInitial: 0.5,
  alphaStep: 0.05,
  alphaMax: 0.95,
};

/** Largest share by which one try moves an average, however long ago the last one was. */
export const MAX_STEP = 0.25;

/** A try counts at most this many times the present average: outliers are bounded, lasting changes are not. */
export const OUTLIER_FACTOR = 8;

/** Added to every response time: differences below a millisecond are noise. */
const FLOOR_MS = 1;

/** A response time of 0 is stored as this, because 0 means unknown. */
const SMALLEST_MS = 0.001;

/** Response times before the averages are purely time-based. */
const WARM_UP = 20;

/** Recent and long-term response time disagree when one is this many times the other. */
const DISAGREEMENT = 1.5;

/** The longest `Retry-After` that amplifies a penalty. */
const RETRY_AFTER_LIMIT_MS = 300_000;

/** Share by which a time-based average moves towards a new value after `elapsedMs`. */
export function ewmaStep(elapsedMs: number, halfLifeMs: number): number {
  return Math.min(MAX_STEP, 1 - 2 ** (-Math.max(0, elapsedMs) / halfLifeMs));
}

/** Inputs of the weight formula. */
export interface Measured {
  /** Recent response time plus penalty; 0 while unknown. */
  readonly fastMs: number;
  /** Long-term response time plus penalty; 0 while unknown. */
  readonly slowMs: number;
  readonly successRate: number;
  readonly alpha: number;
}

/**
 * The weight for each unit of configured weight:
 *
 *     base     = success rate · 1000 / (slow + 1 ms)     dynamic  =                1000 / (fast + 1 ms)     combined =
 * (α·Md·dynamic + (1−α)·Mb·base) / (α·Md + (1−α)·Mb)
 *
 * It is inverse to response time and has no upper bound, so that two upstreams never look alike because both are good.
 */
export function combinedWeight(measured: Measured, options: WeightOptions): number {
  const base = measured.successRate * 1000 / (measured.slowMs + FLOOR_MS);
  const dynamic = 1000 / (measured.fastMs + FLOOR_MS);
  const dynamicPart = measured.alpha * options.dynamicMultiplier;
  const basePart = (1 - measured.alpha) * options.baseMultiplier;
  return (dynamicPart * dynamic + basePart * base) / (dynamicPart + basePart);
}

/** One upstream's averages. */
export class UpstreamWeight {
  #options: WeightOptions;
  #fastMs = 0;
  #slowMs = 0;
  #penaltyMs = 0;
  #successRate = 1;
  #alpha: number;
  /** Response times recorded. */
  #samples = 0;
  #sampledAtMs = 0;
  #penaltyAtMs = 0;
  #mixedAtMs = 0;

  constructor(options: WeightOptions = WEIGHT_DEFAULTS) {
    this.#options = options;
    this.#alpha = options.alphaInitial;
  }

  /** Whether a response time is known; it is not while all tries have failed. */
  get known(): boolean {
    return this.#fastMs > 0;
  }

  /** The formula's constants. */
  get options(): WeightOptions {
    return this.#options;
  }

  /** Changes the formula's constants; measurements stay. */
  configure(options: WeightOptions): void {
    this.#options = options;
  }

  /** Records the outcomes of a serving worker. */
  record(batch: OutcomeBatch, nowMs: number): void {
    const { ok, limited, failed, unreachable } = batch.counts;
    const failures = limited + failed + unreachable;
    const tries = ok + failures;
    if (tries === 0) return;
    const elapsedMs = this.#elapsed(nowMs);
    this.#answers(batch.latenciesMs, elapsedMs);
    this.#penalise({ failures, tries, retryAfterMs: batch.retryAfterMs, elapsedMs, nowMs });
    const step = 1 - (1 - ewmaStep(elapsedMs / tries, this.#options.fastHalfLifeMs)) ** tries;
    this.#successRate += step * (ok / tries - this.#successRate);
    this.#sampledAtMs = nowMs;
  }

  /** Records an active check's response time, where there were no requests for a while. */
  recordCheck(latencyMs: number, nowMs: number): void {
    if (this.known && nowMs - this.#sampledAtMs < this.#options.fastHalfLifeMs) return;
    this.#answers([latencyMs], this.#elapsed(nowMs));
    this.#sampledAtMs = nowMs;
  }

  /** The averages at `nowMs`; moves the mix. */
  measure(nowMs: number): Measured {
    const penaltyMs = this.#penaltyAt(nowMs);
    const fastMs = this.known ? this.#fastMs + penaltyMs : 0;
    const slowMs = this.known ? this.#slowMs + penaltyMs : 0;
    this.#mix(nowMs);
    return { fastMs, slowMs, successRate: this.#successRate, alpha: this.#alpha };
  }

  /** Restores the averages from before a restart of the worker. */
  restore(fastMs: number, slowMs: number, nowMs: number): void {
    if (fastMs <= 0 || slowMs <= 0) return;
    this.#fastMs = fastMs;
    this.#slowMs = slowMs;
    this.#samples = WARM_UP;
    this.#sampledAtMs = nowMs;
  }

  #elapsed(nowMs: number): number {
    return this.#sampledAtMs === 0 ? Infinity : nowMs - this.#sampledAtMs;
  }

  #answers(latenciesMs: readonly number[], elapsedMs: number): void {
    const { fastHalfLifeMs, slowHalfLifeMs } = this.#options;
    const eachMs = elapsedMs / latenciesMs.length;
    for (const latencyMs of latenciesMs) {
      if (this.#fastMs === 0) this.#fastMs = this.#slowMs = Math.max(latencyMs, SMALLEST_MS);
      // The first few count as in a plain mean: the very first includes a handshake.
      const least = this.#samples < WARM_UP ? Math.min(MAX_STEP, 1 / (this.#samples + 1)) : 0;
      this.#fastMs = towards(this.#fastMs, latencyMs, Math.max(least, ewmaStep(eachMs, fastHalfLifeMs)));
      this.#slowMs = towards(this.#slowMs, latencyMs, Math.max(least, ewmaStep(eachMs, slowHalfLifeMs)));
      this.#samples++;
    }
  }

  /** The penalty is the average of the extra cost of tries: zero, or the penalty of a failure. */
  #penalise(seen: { failures: number; tries: number; retryAfterMs: number; elapsedMs: number; nowMs: number }): void {
    const retryAfterMs = Math.min(seen.retryAfterMs, RETRY_AFTER_LIMIT_MS);
    let penaltyMs = this.#penaltyAt(seen.nowMs);
    if (seen.failures > 0) {
      const step = ewmaStep(seen.elapsedMs / seen.tries, this.#options.fastHalfLifeMs);
      const costMs = this.#options.failurePenaltyMs + retryAfterMs;
      const factor = OUTLIER_FACTOR * (1 + retryAfterMs / 1000);
      for (let failure = 0; failure < Math.min(seen.failures, 64); failure++) {
        const ceilingMs = factor * (this.#fastMs + penaltyMs + FLOOR_MS);
        penaltyMs += step * Math.max(0, Math.min(costMs, ceilingMs) - penaltyMs);
      }
    }
    this.#penaltyMs = penaltyMs;
    // A penalty does not decay while the upstream asks for a pause.
    this.#penaltyAtMs = seen.nowMs + (seen.failures > 0 ? retryAfterMs : 0);
  }

  #penaltyAt(nowMs: number): number {
    if (this.#penaltyMs === 0) return 0;
    // Longer than `Retry-After` can ask for: the clock was set back.
    if (this.#penaltyAtMs - nowMs > RETRY_AFTER_LIMIT_MS) this.#penaltyAtMs = nowMs;
    return this.#penaltyMs * 2 ** (-Math.max(0, nowMs - this.#penaltyAtMs) / this.#options.fastHalfLifeMs);
  }

  /** Moves the mix towards the recent average while it differs from the long term; moves it back when they agree. */
  #mix(nowMs: number): void {
    const { alphaInitial, alphaStep, alphaMax } = this.#options;
    const seconds = this.#mixedAtMs === 0 ? 0 : Math.min(60, (nowMs - this.#mixedAtMs) / 1000);
    this.#mixedAtMs = nowMs;
    if (!this.known || seconds <= 0) return;
    const apart = Math.max(this.#fastMs / this.#slowMs, this.#slowMs / this.#fastMs) > DISAGREEMENT;
    const target = apart ? alphaMax : alphaInitial;
    const way = target - this.#alpha;
    this.#alpha += Math.sign(way) * Math.min(alphaStep * seconds, Math.abs(way));
  }
}

/** One step of an average towards a sample, which counts at most {@linkcode OUTLIER_FACTOR} times the average. */
function towards(averageMs: number, sampleMs: number, step: number): number {
  const bounded = Math.min(sampleMs, OUTLIER_FACTOR * (averageMs + FLOOR_MS));
  return Math.max(averageMs + step * (bounded - averageMs), SMALLEST_MS);
}
