import { counter, type Metric } from "../../metrics/exposition.ts";
import type { SpanCounts } from "../../tracing/span_exporter.ts";
import type { Slot } from "../supervisor/slot.ts";
import { withReport } from "./lasting_counts.ts";

const RESULTS: ReadonlyArray<readonly [result: string, field: keyof SpanCounts]> = [
  ["exported", "exported"],
  ["queue_full", "droppedFull"],
  ["failed", "droppedFailed"],
  ["rejected", "droppedRejected"],
];

/** What became of spans. Nothing where nothing was ever traced. */
export function traceMetrics(slots: readonly Slot[]): Metric[] {
  const samples = slots.flatMap((slot) => {
    const report = slot.handle?.report ?? null;
    const { spans } = withReport(slot.retired, report);
    const isTraced = (report?.spans ?? null) !== null || RESULTS.some(([, field]) => spans[field] > 0);
    if (!isTraced) return [];
    return RESULTS.map(([result, field]) => ({ labels: { worker: slot.name, result }, value: spans[field] }));
  });
  if (samples.length === 0) return [];
  return [counter("usher_spans_total", "Spans that the collector took, and those that were dropped, by why", samples)];
}
