import { parseWeighted, splitList } from "../http/list.ts";
import type { ExpositionFormat } from "../metrics/exposition.ts";

/** Members of an `Accept` that are looked at. */
const MAX_RANGES = 32;

/**
 * The format of `/metrics` by the request's `Accept`: OpenMetrics where that is named and nothing else is liked better, else the
 * Prometheus text format, which every collector reads.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { expositionFormat } from "./exposition_format.ts";
 * assert.equal(expositionFormat("application/openmetrics-text; version=1.0.0, text/plain; q=0.5"), "openmetrics");
 * assert.equal(expositionFormat("*\/*"), "prometheus");
 * ```
 */
export function expositionFormat(accept: string | null): ExpositionFormat {
  const ranges = splitList((accept ?? "").toLowerCase(), MAX_RANGES).map(parseWeighted);
  const weightOf = (mediaType: string) =>
    Math.max(0, ...ranges.filter(({ text }) => text.split(";")[0]!.trim() === mediaType).map(({ weight }) => weight));
  const openMetrics = weightOf("application/openmetrics-text");
  return openMetrics > 0 && openMetrics >= weightOf("text/plain") ? "openmetrics" : "prometheus";
}
