import type { Report } from "./outcome.ts";

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
