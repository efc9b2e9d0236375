import { addShared, newSharedCounts, type SharedCounts } from "../../cluster/shared_counts.ts";
import { counter, type Metric } from "../../metrics/exposition.ts";
import { histogramSamples } from "../../metrics/counted_metrics.ts";
import { DURATION_BUCKETS_MS } from "../../metrics/histogram.ts";
import type { Slot } from "../supervisor/slot.ts";
import type { SharedFigures } from "../worker/shared_cache.ts";

type Counted = Exclude<keyof SharedCounts, "lookUps">;

/** Series by the label that tells their counts apart. */
const SERIES: ReadonlyArray<readonly [name: string, help: string, label: string, counts: Record<string, Counted>]> = [
  ["usher_shared_lookups_total", "Look-ups in the tier that gateways share", "result", {
    ...{ hit: "hits", miss: "misses", late: "late", error: "errors", skipped: "skipped" },
  }],
  ["usher_shared_refused_entries_total", "Entries of that tier that were not believed, or not understood", "reason", {
    ...{ corrupt: "corrupt", version: "foreign" },
  }],
  ["usher_shared_puts_total", "Entries put there, left out for a newer one, and not put at all", "result", {
    ...{ put: "puts", older: "older", dropped: "dropped" },
  }],
  ["usher_shared_flights_total", "Fetches for all gateways, and waits for those of others", "result", {
    ...{ led: "led", followed: "followed", taken_over: "takenOver" },
  }],
];

/** The tier that gateways share, all workers together, as `/status` shows it; `null` where there is none. */
export function sharedStatus(slots: readonly Slot[]) {
  const reports = sharedReports(slots);
  if (reports.length === 0) return null;
  const { lookUps: _, lookUpSumMs, ...counts } = countsOf(slots);
  return {
    /** Workers that reach the engine, and all of them. */
    connected: reports.filter(isUsable).length,
    workers: reports.length,
    /** Gateways whose listener of the same name stands for something else. */
    differences: reports.flatMap(({ differences }) => differences),
    problem: reports.find(({ engine }) => engine.problem !== null)?.engine.problem ?? null,
    ...counts,
    look_up_ms: Math.round(lookUpSumMs),
  };
}

/** Counters and gauges of that tier; nothing where there is none. */
export function sharedMetrics(slots: readonly Slot[]): Metric[] {
  const reports = sharedReports(slots);
  if (reports.length === 0) return [];
  const counts = countsOf(slots);
  const name = "usher_shared_lookup_seconds";
  return [
    ...SERIES.map(([series, help, label, fields]) =>
      counter(
        series,
        help,
        Object.entries(fields).map(([value, field]) => ({ labels: { [label]: value }, value: counts[field] })),
      )
    ),
    {
      name,
      help: "How long look-ups in the tier that gateways share took",
      type: "histogram",
      values: histogramSamples(name, {
        labels: {},
        boundsMs: DURATION_BUCKETS_MS,
        buckets: counts.lookUps,
        sumMs: counts.lookUpSumMs,
      }),
    },
  ];
}

function isUsable({ engine }: SharedFigures): boolean {
  return engine.connection === "ready" && engine.breaker === "closed";
}

function countsOf(slots: readonly Slot[]): SharedCounts {
  const now = sharedReports(slots).map(({ counts }) => counts);
  return [...slots.map(({ retired }) => retired.shared), ...now].reduce(addShared, newSharedCounts());
}

function sharedReports(slots: readonly Slot[]): readonly SharedFigures[] {
  return slots.flatMap(({ handle }) => handle?.report?.shared ?? []);
}
