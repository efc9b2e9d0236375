import type { PrewarmStatus } from "../operations/prewarmer.ts";

/** How a prewarm stands, with names as everywhere in the admin surface. */
export function shownPrewarm(
  { startedAtMs, finishedAtMs, lastProblem, ratePerSecond, leftMs, ...rest }: PrewarmStatus,
) {
  return {
    ...rest,
    rate: Math.round(ratePerSecond * 10) / 10,
    eta_seconds: leftMs === null ? null : Math.ceil(leftMs / 1_000),
    started_at: new Date(startedAtMs).toISOString(),
    finished_at: finishedAtMs === null ? null : new Date(finishedAtMs).toISOString(),
    last_problem: lastProblem,
  };
}
