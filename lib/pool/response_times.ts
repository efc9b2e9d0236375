import type { Report } from "./outcome.ts";

/** A request is late after this many times the expected response time, plus `LATE_MS`. */
const LATE_FACTOR = 3;
const LATE_MS = 50;

/** Answers count half as evidence after this time. */
const ANSWER_HALF_LIFE_MS = 250;

/** One late request counts at most this many times the expected response time; n of them n² times as much. */
const OUTLIER_FACTOR = 8;

/** Most late requests that are counted. */
const LATE_LIMIT = 64;

/** One request that waits for its answer. */
export class Waiting {
  readonly startedAtMs: number;
  readonly #all: WaitingRequests;

  constructor(all: WaitingRequests, startedAtMs: number) {
    this.#all = all;
    this.startedAtMs = startedAtMs;
  }

  /** It was answered or failed. Idempotent. */
  settle(nowMs: number): void {
    this.#all.settle(this, nowMs);
  }
}

/**
 * Requests that an upstream has not answered yet. Averages of response times show a stall only when it is over; late requests show
 * it at once.
 */
export class WaitingRequests {
  /** In the order in which they began. */
  readonly #waiting = new Set<Waiting>();
  /** Recent answers, decaying. */
  #answers = 0;
  #answersAtMs = 0;

  get size(): number {
    return this.#waiting.size;
  }

  /** A request begins to wait. */
  add(nowMs: number): Waiting {
    const waiting = new Waiting(this, nowMs);
    this.#waiting.add(waiting);
    return waiting;
  }

  /** A request waits no more. */
  settle(waiting: Waiting, nowMs: number): void {
    if (!this.#waiting.delete(waiting)) return;
    this.#answers = this.#answersLately(nowMs) + 1;
    this.#answersAtMs = nowMs;
  }

  /**
   * Expected response time at `nowMs` in ms, where `expectedMs` is that of the averages: longer where requests are late, by their
   * share of the recent answers and by their age.
   */
  expectedMs(nowMs: number, expectedMs: number): number {
    const startedBefore = nowMs - LATE_FACTOR * expectedMs - LATE_MS;
    let late = 0;
    let ageMs = 0;
    for (const { startedAtMs } of this.#waiting) {
      if (startedAtMs >= startedBefore || late === LATE_LIMIT) break;
      late++;
      ageMs += nowMs - startedAtMs;
    }
    if (late === 0) return expectedMs;
    const evidence = late / (late + this.#answersLately(nowMs));
    const boundedMs = Math.min(ageMs / late, OUTLIER_FACTOR * late ** 2 * (expectedMs + 1));
    return expectedMs + evidence * Math.max(0, boundedMs - expectedMs);
  }

  #answersLately(nowMs: number): number {
    return this.#answers * 2 ** (-Math.max(0, nowMs - this.#answersAtMs) / ANSWER_HALF_LIFE_MS);
  }
}

/** Response time of a failed try, before `Retry-After` is added: a host that refuses fast must not look fast. */
const FAILURE_PENALTY_MS = 5_000;

/** Time after which 37 % of a peak is left. */
const DECAY_MS = 10_000;

/**
 * One worker's estimate of an upstream's response time. It rises to a worse sample at once and decays over time (Finagle's and
 * Linkerd's "peak EWMA"), so that a stalling upstream is avoided within one answer.
 */
export class PeakEwma {
  #costMs = 0;
  #atMs = 0;

  /** Records an ended try; cancelled ones are ignored. */
  record(report: Report, nowMs: number): void {
    if (report.outcome === "cancelled") return;
    const sampleMs = report.outcome === "ok" ? report.latencyMs : FAILURE_PENALTY_MS + report.retryAfterMs;
    const left = this.#left(nowMs);
    this.#costMs = sampleMs > this.#costMs ? sampleMs : sampleMs + (this.#costMs - sampleMs) * left;
    this.#atMs = nowMs;
  }

  /** Expected response time at `nowMs`: this worker's estimate, decaying towards `restMs`, that of the health table. */
  costMs(nowMs: number, restMs: number): number {
    if (this.#atMs === 0) return restMs;
    return restMs + (this.#costMs - restMs) * this.#left(nowMs);
  }

  #left(nowMs: number): number {
    return Math.exp(-Math.max(0, nowMs - this.#atMs) / DECAY_MS);
  }
}
