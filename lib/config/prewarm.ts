import { resolve } from "node:path";
import type { z } from "zod";
import { filePath } from "./http_scalars.ts";
import { duration, flag, integer, text } from "./yaml/scalars.ts";
import { asMapping, distinct, type Frozen, list, section } from "./yaml/section.ts";
import { SECOND, YEAR } from "./yaml/units.ts";

const target = text({
  title: "path",
  pattern: /^(?:\/|[Hh][Tt][Tt][Pp][Ss]?:\/\/)[^\s#\p{Cc}]*$/u,
  maxLength: 8192,
  expected: "a path that begins with / or a URL",
});

const prewarmSection = section({
  paths: list(target, 10_000).prefault([]).describe(
    "Paths as clients send them, or URLs where the host is part of the cache key (type `custom`).",
  ),
  file: filePath().optional().describe(
    "File with more of them, one a line; `#` begins a comment. Relative to the working directory.",
  ),
  concurrency: integer(1, 64).prefault(2).describe("Fetches at a time, all workers together."),
  rate: integer(1, 10_000).prefault(10).describe("Fetches begun in a second, at most."),
  at_start: flag().prefault(true).describe("Begin when the gateway starts; what a stop broke off goes on in any case."),
  every: duration(10 * SECOND, YEAR).optional().describe("Begin anew so often; default: never."),
});

/** Key of a listener that says what is fetched before anyone asks for it. */
export const prewarmKey = asMapping(prewarmSection).prefault({}).describe(
  "What is fetched into the cache before anyone asks for it, behind real requests.",
);

/** What is fetched before anyone asks for it; relative paths start from `cwd`. */
export function prewarmOf(prewarm: z.output<typeof prewarmSection>, cwd: string) {
  return {
    /** URLs and paths as clients send them. */
    targets: distinct(prewarm.paths),
    file: prewarm.file === undefined ? null : resolve(cwd, prewarm.file),
    concurrency: prewarm.concurrency,
    ratePerSecond: prewarm.rate,
    atStart: prewarm.at_start,
    /** `null` is never again. */
    everyMs: prewarm.every ?? null,
  };
}

/** `prewarm:` of a listener. */
export interface PrewarmConfig extends Frozen<ReturnType<typeof prewarmOf>> {}
