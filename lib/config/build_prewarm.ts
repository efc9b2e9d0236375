import { resolve } from "node:path";
import type { PrewarmConfig } from "./prewarm_config.ts";
import type { FileValues } from "./schema.ts";

/** What a listener's values say of prewarming; relative paths start from `cwd`. */
export function buildPrewarm({ prewarm }: FileValues["listeners"][number], cwd: string): PrewarmConfig {
  return {
    targets: [...new Set(prewarm.paths)],
    file: prewarm.file === undefined ? null : resolve(cwd, prewarm.file),
    concurrency: prewarm.concurrency,
    ratePerSecond: prewarm.rate,
    atStart: prewarm.at_start,
    everyMs: prewarm.every ?? null,
  };
}
