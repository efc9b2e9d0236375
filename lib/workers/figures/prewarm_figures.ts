import type { PrewarmStatus } from "../operations/prewarmer.ts";

/** How a prewarm stands, with names as everywhere in the admin surface. */
export function shownPrewarm({ startedAtMs, finishedAtMs, lastProblem, ...rest }: PrewarmStatus) {
  return {
    ...rest,
    started_at: new Date(startedAtMs).toISOString(),
    finished_at: finishedAtMs === null ? null : new Date(finishedAtMs).toISOString(),
    last_problem: lastProblem,
  };
}
