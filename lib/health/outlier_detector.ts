import type { BreakerState } from "../pool/local_breaker.ts";
import type { OutcomeBatch } from "../pool/outcome.ts";

/** When outcomes of requests eject an upstream, and for how long. */
export interface OutlierOptions {
  /** Failures in a row; 0 turns this rule off. */
  readonly consecutiveFailures: number;
  /** Share of failures over the window, 0 to 1; above 1 turns this rule off. */
  readonly failureRatio: number;
  readonly windowMs: number;
  /** Fewest tries in the window for which the share counts. */
  readonly minVolume: number;
  /** The first ejection; each further one is twice as long. */
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
  /** Random share that is added to an ejection, so that upstreams do not return together. */
  readonly jitter: number;
  /** Share of the pool that may be out, by checks too; one upstream always may. */
  readonly maxEjected: number;
  /** Good answers or checks, in a row, that close a half-open circuit. */
  readonly halfOpenSuccesses: number;
}

/** Defaults of {@linkcode OutlierOptions}. */
export const OUTLIER_DEFAULTS: OutlierOptions = {
  consecutiveFailures: 5,
  failureRatio: 0.5,
  windowMs: 10_000,
  minVolume: 20,
  ejectionMs: 10_000,
  maxEjectionMs: 300_000,
  jitter: 0.2,
  maxEjected: 0.5,
  halfOpenSuccesses: 3,
};

/** Most ejections that are counted; the limit of their time is reached long before. */
const EJECTIONS_LIMIT = 20;

/** A circuit per upstream. */
interface Circuit {
  state: BreakerState;
  reason: string;
  /** Failures since the last good answer. */
  consecutive: number;
  /** Good answers since it became half-open. */
  successes: number;
  /** Ejections that count for the length of the next. */
  ejections: number;
  /** End of the ejection. */
  untilMs: number;
  /** When the last ejection ended or was forgiven. */
  goodSinceMs: number;
  readonly window: FailureWindow;
}

/** Dependencies of the detector. */
export interface OutlierDeps {
  /** In [0, 1). */
  readonly random: () => number;
  /** Whether one more upstream of the pool may be ejected. */
  readonly mayEject: (id: string) => boolean;
}

/**
 * Passive health of one pool: a circuit breaker for each upstream, by the outcomes of requests. 4xx and 429 are not failures.
 */
export class OutlierDetector {
  #options: OutlierOptions;
  readonly #deps: OutlierDeps;
  readonly #circuits = new Map<string, Circuit>();

  constructor(options: OutlierOptions, deps: OutlierDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Changes the limits. Circuits stay; windows start over if their length changed. */
  configure(options: OutlierOptions): void {
    const windowChanged = options.windowMs !== this.#options.windowMs;
    this.#options = options;
    if (!windowChanged) return;
    for (const [id, circuit] of this.#circuits) {
      this.#circuits.set(id, { ...circuit, window: new FailureWindow(options.windowMs) });
    }
  }

  /** Forgets an upstream. */
  remove(id: string): void {
    this.#circuits.delete(id);
  }

  state(id: string): BreakerState {
    return this.#circuits.get(id)?.state ?? "closed";
  }

  /** Why the circuit is not closed; empty where it is. */
  reason(id: string): string {
    return this.#circuits.get(id)?.reason ?? "";
  }

  /** Records the outcomes of a serving worker. */
  record(batch: OutcomeBatch, nowMs: number): void {
    const { ok, failed, unreachable } = batch.counts;
    const failures = failed + unreachable;
    if (ok + failures === 0) return;
    const circuit = this.#circuit(batch.id, nowMs);
    circuit.window.add(ok, failures, nowMs);
    circuit.consecutive = ok > 0 ? batch.trailingFailures : circuit.consecutive + failures;
    if (circuit.state === "half_open") this.#probed(circuit, { ok, failures }, nowMs);
    else if (circuit.state === "closed") this.#judge(batch.id, circuit, nowMs);
  }

  /** An active check passed: counts as a good answer while half-open. */
  checkPassed(id: string, nowMs: number): void {
    const circuit = this.#circuits.get(id);
    if (circuit?.state === "half_open") this.#probed(circuit, { ok: 1, failures: 0 }, nowMs);
  }

  /** Ends the ejection of an upstream that active checks found recovered, and forgets its failures. */
  recovered(id: string): void {
    const circuit = this.#circuits.get(id);
    if (circuit === undefined) return;
    circuit.consecutive = 0;
    circuit.window.clear();
    if (circuit.state === "open") halfOpen(circuit);
  }

  /** Continues an ejection of an earlier detector: the upstream is probed. */
  restore(id: string, reason: string, nowMs: number): void {
    const circuit = this.#circuit(id, nowMs);
    if (circuit.state !== "closed") return;
    circuit.reason = reason;
    circuit.ejections = Math.max(1, circuit.ejections);
    halfOpen(circuit);
  }

  /** Ends ejections whose time is over, and forgives old ones. */
  tick(nowMs: number): void {
    for (const circuit of this.#circuits.values()) {
      if (circuit.state === "open" && this.#isOver(circuit, nowMs)) halfOpen(circuit);
      if (circuit.state === "closed") this.#forgive(circuit, nowMs);
    }
  }

  /** Milliseconds since the Unix epoch at which the next ejection ends; `Infinity` where there is none. */
  nextEventMs(): number {
    let next = Infinity;
    for (const circuit of this.#circuits.values()) {
      if (circuit.state === "open") next = Math.min(next, circuit.untilMs);
    }
    return next;
  }

  /** Whether an ejection is over, or ends later than possible: the clock was set back. */
  #isOver(circuit: Circuit, nowMs: number): boolean {
    const { maxEjectionMs, jitter } = this.#options;
    return nowMs >= circuit.untilMs || circuit.untilMs - nowMs > maxEjectionMs * (1 + jitter);
  }

  #circuit(id: string, nowMs: number): Circuit {
    let circuit = this.#circuits.get(id);
    if (circuit === undefined) {
      const window = new FailureWindow(this.#options.windowMs);
      circuit = { ...CLOSED, goodSinceMs: nowMs, window };
      this.#circuits.set(id, circuit);
    }
    return circuit;
  }

  #judge(id: string, circuit: Circuit, nowMs: number): void {
    const reason = this.#fault(circuit, nowMs);
    if (reason !== null && this.#deps.mayEject(id)) this.#eject(circuit, reason, nowMs);
  }

  /** The rule that an upstream breaks, for people; `null` for none. */
  #fault(circuit: Circuit, nowMs: number): string | null {
    const { consecutiveFailures, failureRatio, minVolume, windowMs } = this.#options;
    if (consecutiveFailures > 0 && circuit.consecutive >= consecutiveFailures) {
      return `${circuit.consecutive} failures in a row`;
    }
    if (circuit.window.volume(nowMs) < minVolume) return null;
    const ratio = circuit.window.failureRatio(nowMs);
    return ratio < failureRatio ? null : `${Math.round(ratio * 100)} % failures in ${Math.round(windowMs / 1000)} s`;
  }

  #probed(circuit: Circuit, seen: { ok: number; failures: number }, nowMs: number): void {
    if (seen.failures > 0) {
      this.#eject(circuit, "a probe failed", nowMs);
      return;
    }
    circuit.successes += seen.ok;
    if (circuit.successes < this.#options.halfOpenSuccesses) return;
    Object.assign(circuit, { ...CLOSED, ejections: circuit.ejections, goodSinceMs: nowMs });
    circuit.window.clear();
  }

  #eject(circuit: Circuit, reason: string, nowMs: number): void {
    const { ejectionMs, maxEjectionMs, jitter } = this.#options;
    const lengthMs = Math.min(ejectionMs * 2 ** circuit.ejections, maxEjectionMs);
    circuit.untilMs = nowMs + lengthMs * (1 + jitter * this.#deps.random());
    circuit.ejections = Math.min(circuit.ejections + 1, EJECTIONS_LIMIT);
    circuit.state = "open";
    circuit.reason = reason;
    circuit.successes = 0;
  }

  /** An ejection is forgiven after twice the time of the first ejection. */
  #forgive(circuit: Circuit, nowMs: number): void {
    const eachMs = 2 * this.#options.ejectionMs;
    while (circuit.ejections > 0 && nowMs - circuit.goodSinceMs >= eachMs) {
      circuit.ejections--;
      circuit.goodSinceMs += eachMs;
    }
  }
}

const CLOSED = { state: "closed", reason: "", consecutive: 0, successes: 0, ejections: 0, untilMs: 0 } as const;

function halfOpen(circuit: Circuit): void {
  circuit.state = "half_open";
  circuit.successes = 0;
}

/** Parts of a window; the oldest is dropped whole. */
const PARTS = 10;

/** Counts good and failed tries over a sliding window, in ten parts. */
export class FailureWindow {
  readonly #partMs: number;
  readonly #good = new Float64Array(PARTS);
  readonly #failed = new Float64Array(PARTS);
  #part = 0;

  constructor(windowMs: number) {
    this.#partMs = windowMs / PARTS;
  }

  add(good: number, failed: number, nowMs: number): void {
    const place = this.#advance(nowMs);
    this.#good[place] = this.#good[place]! + good;
    this.#failed[place] = this.#failed[place]! + failed;
  }

  /** Tries in the window. */
  volume(nowMs: number): number {
    this.#advance(nowMs);
    return sum(this.#good) + sum(this.#failed);
  }

  /** The share of failed ones, 0 where there were none at all. */
  failureRatio(nowMs: number): number {
    const volume = this.volume(nowMs);
    return volume === 0 ? 0 : sum(this.#failed) / volume;
  }

  clear(): void {
    this.#good.fill(0);
    this.#failed.fill(0);
  }

  /**
   * Clears the parts that are over and returns the index of the present one. A clock that goes back a little stays in its part;
   * one that was set back far starts over.
   */
  #advance(nowMs: number): number {
    const part = Math.floor(nowMs / this.#partMs);
    const passed = part < this.#part - PARTS ? PARTS : Math.min(part - this.#part, PARTS);
    for (let step = 1; step <= passed; step++) {
      const place = (this.#part + step) % PARTS;
      this.#good[place] = this.#failed[place] = 0;
    }
    if (passed > 0) this.#part = part;
    if (passed === PARTS) this.clear();
    return this.#part % PARTS;
  }
}

function sum(parts: Float64Array): number {
  let total = 0;
  for (const part of parts) total += part;
  return total;
}
