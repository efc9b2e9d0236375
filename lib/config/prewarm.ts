import { duration, flag, integer, text } from "./yaml/scalars.ts";
import { asMapping, list, section } from "./yaml/section.ts";

const SECOND_MS = 1000;
const YEAR_MS = 365 * 24 * 3_600_000;

const target = text({
  title: "path",
  pattern: /^(?:\/|[Hh][Tt][Tt][Pp][Ss]?:\/\/)[^\s#\p{Cc}]*$/u,
  maxLength: 8192,
  expected: "a path that begins with / or a URL",
});

/** `prewarm:` of a listener. */
export const prewarmSection = section({
  paths: list(target, 10_000).prefault([]).describe(
    "Paths as clients send them, or URLs where the host is part of the cache key (type `custom`).",
  ),
  file: text({ title: "path", pattern: /^[^\p{Cc}]+$/u, maxLength: 2000, expected: "a path, one line" }).optional()
    .describe("File with more of them, one a line; `#` begins a comment. Relative to the working directory."),
  concurrency: integer(1, 64).prefault(2).describe("Fetches at a time, all workers together."),
  rate: integer(1, 10_000).prefault(10).describe("Fetches begun in a second, at most."),
  at_start: flag().prefault(true).describe("Begin when the gateway starts; what a stop broke off goes on in any case."),
  every: duration(10 * SECOND_MS, YEAR_MS).optional().describe("Begin anew so often; default: never."),
});

/** The key of a listener. */
export const prewarmKeys = {
  prewarm: asMapping(prewarmSection).prefault({}).describe(
    "What is fetched into the cache before anyone asks for it, behind real requests.",
  ),
};
