import { formatLocated } from "../../lib/config/yaml/located.ts";
import { shownSize } from "../../lib/inspect/finding.ts";
import { memoryNeed } from "../../lib/inspect/memory_need.ts";
import type { LoadResult, NotLoaded } from "../../lib/config/load.ts";

/** `3 listeners`, `1 pool`. */
function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** The file that has the problems, or all files that have some. */
export function whereabouts({ file, problems }: NotLoaded): string {
  return problems.every((problem) => problem.file === file) ? file : `${file} and what it includes`;
}

/** What `usher check` prints: each problem or warning in a line of its own, then a summary. Ends without a line feed. */
export function checkReport(result: LoadResult): string {
  if (!result.ok) {
    const lines = result.problems.map(formatLocated);
    return [...lines, `${count(result.problems.length, "problem")} in ${whereabouts(result)}`].join("\n");
  }
  const { listeners, pools } = result.config;
  const upstreams = pools.reduce((sum, pool) => sum + pool.upstreams.length, 0);
  const parts = [count(listeners.length, "listener"), count(pools.length, "pool"), count(upstreams, "upstream")];
  const warnings = result.warnings.map((warning) => `warning: ${formatLocated(warning)}`);
  const { diskBytes } = result.config.cache;
  const disk = diskBytes === 0 ? "nothing" : `up to ${shownSize(diskBytes)}`;
  const holds = `memory: ${memoryNeed(result.config).text}; on disk: ${disk}`;
  return [...warnings, holds, `${result.file} is valid: ${parts.join(", ")}`].join("\n");
}
