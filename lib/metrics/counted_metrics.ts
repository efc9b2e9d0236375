import type { AnyCounts, Counter, Exemplar, NamedCounts } from "./counter_table.ts";
import type { Metric, Sample } from "./exposition.ts";
import { COUNTER_TABLES, type WorkerCounts } from "./gateway_metrics.ts";

/** Every counter as metrics, by the tables. */
export function countedMetrics(counts: WorkerCounts): Metric[] {
  return Object.entries(COUNTER_TABLES).flatMap(([member, { counters, labels }]) =>
    tableMetrics(counters, leaves(counts[member as keyof WorkerCounts] as NamedCounts, labels))
  );
}

type Labels = Readonly<Record<string, string>>;

/** The counts below one or two levels of names, each with its names as labels. */
function leaves(counts: NamedCounts, [label, ...below]: readonly string[], labels: Labels = {}): [Labels, AnyCounts][] {
  return Object.entries(counts).flatMap(([name, part]): [Labels, AnyCounts][] => {
    const named = { ...labels, [label!]: name };
    return below.length > 0 ? leaves(part as NamedCounts, below, named) : [[named, part as AnyCounts]];
  });
}

function tableMetrics(counters: readonly Counter[], counted: readonly [Labels, AnyCounts][]): Metric[] {
  const byMetric = Map.groupBy(counters, ({ metric }) => metric);
  return [...byMetric].flatMap(([name, rows]): Metric[] => {
    if (name === undefined) return [];
    const values = counted.flatMap(([labels, counts]) => rows.flatMap((row) => samplesOf(row, counts, labels)));
    const { help = "", boundsMs, isGauge } = rows[0]!;
    const type = boundsMs !== undefined ? "histogram" : isGauge === true ? "gauge" : "counter";
    return [{ name, help, type, values }];
  });
}

function samplesOf(row: Counter, counts: AnyCounts, labels: Labels): Sample[] {
  const { field, by, names, boundsMs } = row;
  const value = counts[field]!;
  if (boundsMs !== undefined) return histograms(row, counts, labels);
  if (by === undefined) return [{ labels: { ...labels, ...row.labels }, value: Number(value) }];
  return Object.entries(value as Record<string, number>).map(([name, part]) => ({
    labels: { ...labels, [by]: names?.[Number(name)] ?? name },
    value: part,
  }));
}

/** One histogram a part; a part that nothing was counted of is left out, for there are many samples in each. */
function histograms(row: Counter, counts: AnyCounts, labels: Labels): Sample[] {
  const { metric, field, by, names, boundsMs, sumField, exemplarField } = row;
  const buckets = counts[field] as number[];
  const sums = counts[sumField!] as number | number[];
  const exemplars = exemplarField === undefined ? {} : counts[exemplarField] as Record<number, Exemplar>;
  const size = boundsMs!.length + 1;
  return (names ?? [null]).flatMap((name, part): Sample[] => {
    const from = part * size;
    const own = buckets.slice(from, from + size);
    if (name !== null && own.every((count) => count === 0)) return [];
    return histogramSamples(metric!, {
      labels: name === null ? labels : { ...labels, [by!]: name },
      boundsMs: boundsMs!,
      buckets: own,
      sumMs: typeof sums === "number" ? sums : sums[part]!,
      exemplarOf: (bucket) => exemplars[from + bucket],
    });
  });
}

/** One histogram as it was counted. */
export interface CountedHistogram {
  readonly labels: Labels;
  readonly boundsMs: readonly number[];
  /** One more than there are bounds, not cumulative. */
  readonly buckets: readonly number[];
  readonly sumMs: number;
  readonly exemplarOf?: (bucket: number) => Exemplar | undefined;
}

/** The samples of a histogram, in seconds: cumulative buckets, and what they add up to. */
export function histogramSamples(metric: string, histogram: CountedHistogram): Sample[] {
  const { labels, boundsMs, buckets, sumMs, exemplarOf } = histogram;
  let count = 0;
  const samples = buckets.map((own, index): Sample => {
    const exemplar = exemplarOf?.(index);
    return {
      metricName: `${metric}_bucket`,
      labels: { ...labels, le: boundText(boundsMs[index]) },
      value: count += own,
      ...exemplar === undefined ? {} : { exemplar },
    };
  });
  return [
    ...samples,
    { metricName: `${metric}_sum`, labels, value: sumMs / 1000 },
    { metricName: `${metric}_count`, labels, value: count },
  ];
}

/** A bound in seconds as OpenMetrics writes numbers, in both formats: else each would make series of its own. */
function boundText(boundMs: number | undefined): string {
  if (boundMs === undefined) return "+Inf";
  const seconds = boundMs / 1000;
  return Number.isInteger(seconds) ? `${seconds}.0` : String(seconds);
}
