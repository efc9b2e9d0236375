/** What the health worker says of an upstream. */
export type HealthState =
  /** Nothing is known yet; it takes part. */
  | "unknown"
  | "healthy"
  /** Active checks fail. */
  | "unhealthy"
  /** Its answers to requests were bad: the circuit is open. */
  | "ejected"
  /** An ejection has run out: a few requests may try it. */
  | "half_open";

/** One upstream's row in a {@linkcode HealthTable}: plain data. */
export interface UpstreamHealth {
  readonly state: HealthState;
  /** For people: why the state is what it is; empty where there is nothing to say. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch at which `state` began. */
  readonly sinceMs: number;
  /** What response times make of each unit of configured weight. Only its proportion to the others means anything. */
  readonly weightFactor: number;
  /** The same times the configured weight, for people; slow start is not in it. */
  readonly weight: number;
  /** Milliseconds since the Unix epoch at which its slow start began; 0 where it has none. */
  readonly rampFromMs: number;
  /** Recent response time, failure penalty included; 0 while unknown. */
  readonly fastMs: number;
  /** Long-term response time, failure penalty included; 0 while unknown. */
  readonly slowMs: number;
  /** Share of good answers, 0 to 1. */
  readonly successRate: number;
  /** Active checks run so far. */
  readonly checks: number;
  /** Active checks failed so far. */
  readonly failedChecks: number;
  /** Why the last check failed although the host is well (a refused credential); empty otherwise. */
  readonly credential: string;
}

/** The one truth about a pool's upstreams, as the health worker last told it: plain data with a version that only grows. */
export interface HealthTable {
  readonly pool: string;
  readonly version: number;
  /** Milliseconds since the Unix epoch at which it was made. */
  readonly atMs: number;
  /** By upstream id. */
  readonly upstreams: Readonly<Record<string, UpstreamHealth>>;
}

/** Whether an upstream in this state may be given requests at all (half-open: a few). */
export function admits(state: HealthState): boolean {
  return state !== "unhealthy" && state !== "ejected";
}

/** How a share ramps up after a start, a recovery or an addition. */
export interface SlowStartOptions {
  /** How long the ramp takes; 0 turns it off. */
  readonly windowMs: number;
  /** The share of its weight that an upstream begins with, 0 to 1. */
  readonly floor: number;
}

/** A minute-free default: a cold cache or connection pool is warm after half a minute. */
export const SLOW_START_DEFAULTS: SlowStartOptions = { windowMs: 30_000, floor: 0.1 };

/**
 * The factor by which slow start lowers a weight at `nowMs`: from `floor` straight up to 1 over the window.
 * 1 where no ramp was begun (`fromMs` 0).
 */
export function slowStartFactor(nowMs: number, fromMs: number, options: SlowStartOptions): number {
  if (fromMs === 0 || options.windowMs <= 0) return 1;
  const done = (nowMs - fromMs) / options.windowMs;
  // Begun long after now: the clock was set back.
  if (done >= 1 || done < -1) return 1;
  return options.floor + (1 - options.floor) * Math.max(0, done);
}
