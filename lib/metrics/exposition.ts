import {
  type AnyCounts,
  type Counter,
  COUNTER_TABLES,
  type NamedCounts,
  type WorkerCounts,
} from "./gateway_metrics.ts";

/** One value with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Where it is not the metric's own name: `…_bucket`, `…_sum`, `…_count`. */
  readonly metricName?: string;
}

/** A metric with its values at one moment. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: readonly Sample[];
}

/** A metric of values that may fall. */
export function gauge(name: string, help: string, values: readonly Sample[]): Metric {
  return { name, help, type: "gauge", values };
}

/** A metric of values that only grow. */
export function counter(name: string, help: string, values: readonly Sample[]): Metric {
  return { name, help, type: "counter", values };
}

/** All counters and further metrics in the Prometheus text format, version 0.0.4. */
export function prometheusText(counts: WorkerCounts, further: readonly Metric[]): string {
  const counted = Object.entries(COUNTER_TABLES).flatMap(([member, { counters, labels }]) =>
    countedMetrics(counters, leaves(counts[member as keyof WorkerCounts] as NamedCounts, labels))
  );
  return [...counted, ...further].map(metricText).join("\n\n") + "\n";
}

type Labels = Readonly<Record<string, string>>;

/** The counts below one or two levels of names, each with its names as labels. */
function leaves(counts: NamedCounts, [label, ...below]: readonly string[], labels: Labels = {}): [Labels, AnyCounts][] {
  return Object.entries(counts).flatMap(([name, part]): [Labels, AnyCounts][] => {
    const named = { ...labels, [label!]: name };
    return below.length > 0 ? leaves(part as NamedCounts, below, named) : [[named, part as AnyCounts]];
  });
}

function countedMetrics(counters: readonly Counter[], counted: readonly [Labels, AnyCounts][]): Metric[] {
  const byMetric = Map.groupBy(counters, ({ metric }) => metric);
  return [...byMetric].flatMap(([name, rows]) => {
    if (name === undefined) return [];
    const values = counted.flatMap(([labels, counts]) => rows.flatMap((row) => samplesOf(row, counts, labels)));
    const { help = "", sumField } = rows[0]!;
    return [{ name, help, type: sumField === undefined ? "counter" : "histogram", values } as const];
  });
}

function samplesOf(row: Counter, counts: AnyCounts, labels: Labels): Sample[] {
  const { field, by, names, sumField, isMs } = row;
  const value = counts[field]!;
  if (by === undefined) return [{ labels: { ...labels, ...row.labels }, value: Number(value) / (isMs ? 1000 : 1) }];
  const parts = Object.entries(value).map(([name, value]) => ({
    labels: { ...labels, [by]: names?.[Number(name)] ?? name },
    value,
  }));
  if (sumField === undefined) return parts;
  return histogram(row.metric!, parts, { labels, value: Number(counts[sumField]) / 1000 });
}

/** Cumulative buckets, and what they add up to. */
function histogram(name: string, parts: readonly Sample[], sum: Sample): Sample[] {
  let count = 0;
  const buckets = parts.map(({ labels, value }) => ({ labels, value: count += value, metricName: `${name}_bucket` }));
  return [
    ...buckets,
    { ...sum, metricName: `${name}_sum` },
    { labels: sum.labels, value: count, metricName: `${name}_count` },
  ];
}

function metricText({ name, help, type, values }: Metric): string {
  const head = [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`];
  return [...head, ...values.map((sample) => sampleText(sample, name))].join("\n");
}

function sampleText({ metricName, labels, value }: Sample, name: string): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text).replaceAll('"', '\\"')}"`);
  return `${metricName ?? name}${pairs.length === 0 ? "" : `{${pairs.join()}}`} ${valueText(value)}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function valueText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? String(value) : value < 0 ? "-Inf" : "+Inf";
}
