import type { Report } from "./outcome.ts";

/** A request is late when it has waited this many times the expected response time, and as much again as here in ms. */
const LATE_FACTOR = 3;
const LATE_MS = 50;

/** Answers count half as evidence after this time. */
const ANSWER_HALF_LIFE_MS = 250;

/** One late request counts at most this many times the expected response time; n of them n² times as much. */
const OUTLIER_FACTOR = 8;

/** Late requests looked at; more change nothing. */
const LATE_LIMIT = 64;

/** One request that waits for its answer. */
export class Waiting {
  readonly startedAtMs: number;
  readonly #all: WaitingRequests;

  constructor(all: WaitingRequests, startedAtMs: number) {
    this.#all = all;
    this.startedAtMs = startedAtMs;
  }

  /** It was answered, or it failed. Calling it again changes nothing. */
  settle(nowMs: number): void {
    this.#all.settle(this, nowMs);
  }
}

/**
 * The requests that an upstream has not answered yet. Averages of response times learn of a stall only when it is over:
 * this says at once that requests are late.
 */
export class WaitingRequests {
  /** In the order in which they began. */
  readonly #waiting = new Set<Waiting>();
  /** Answers lately, fading. */
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

  /** One waits no more. */
  settle(waiting: Waiting, nowMs: number): void {
    if (!this.#waiting.delete(waiting)) return;
    this.#answers = this.#answersLately(nowMs) + 1;
    this.#answersAtMs = nowMs;
  }

  /**
   * The response time to reckon with at `nowMs`, in ms, where `expectedMs` is what averages say: more if requests are
   * late, the more of them in proportion to answers, and the later.
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

/** What a failed try counts as, before `Retry-After` is added: a host that refuses fast must not look fast. */
const FAILURE_PENALTY_MS = 5_000;

/** How fast a peak is forgotten: after this time 37 % of it is left. */
const DECAY_MS = 10_000;

/**
 * One worker's own view of an upstream's response time. It jumps to a worse sample at once and comes down over time
 * (Finagle's and Linkerd's "peak EWMA"), so that a stalling upstream is avoided within one answer.
 */
export class PeakEwma {
  #costMs = 0;
  #atMs = 0;

  /** Takes note of one ended try; a cancelled one says nothing. */
  record(report: Report, nowMs: number): void {
    if (report.outcome === "cancelled") return;
    const sampleMs = report.outcome === "ok" ? report.latencyMs : FAILURE_PENALTY_MS + report.retryAfterMs;
    const left = this.#left(nowMs);
    this.#costMs = sampleMs > this.#costMs ? sampleMs : sampleMs + (this.#costMs - sampleMs) * left;
    this.#atMs = nowMs;
  }

  /** The expected response time at `nowMs`: what was seen here, on its way towards `restMs`, what others see. */
  costMs(nowMs: number, restMs: number): number {
    if (this.#atMs === 0) return restMs;
    return restMs + (this.#costMs - restMs) * this.#left(nowMs);
  }

  #left(nowMs: number): number {
    return Math.exp(-Math.max(0, nowMs - this.#atMs) / DECAY_MS);
  }
}
