/** State of an upstream by the health worker. */
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
  /** Weight by response times for each unit of configured weight. Only its ratio to the others counts. */
  readonly weightFactor: number;
  /** `weightFactor` times the configured weight, for people; without slow start. */
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

/** State of a pool's upstreams by the health worker: plain data with a version that only grows. */
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

/** How a weight grows after a start, a recovery or an addition. */
export interface SlowStartOptions {
  /** Length of the slow start; 0 turns it off. */
  readonly windowMs: number;
  /** The share of its weight that an upstream begins with, 0 to 1. */
  readonly floor: number;
}

/** A cold cache or connection pool is warm after half a minute. */
export const SLOW_START_DEFAULTS: SlowStartOptions = { windowMs: 30_000, floor: 0.1 };

/** Factor of slow start at `nowMs`: linear from `floor` to 1 over the window. 1 where no slow start was begun (`fromMs` 0). */
export function slowStartFactor(nowMs: number, fromMs: number, options: SlowStartOptions): number {
  if (fromMs === 0 || options.windowMs <= 0) return 1;
  const done = (nowMs - fromMs) / options.windowMs;
  // Begun in the future: the clock was set back.
  if (done >= 1 || done < -1) return 1;
  return options.floor + (1 - options.floor) * Math.max(0, done);
}
