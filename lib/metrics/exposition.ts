import type { Exemplar } from "./counter_table.ts";

/** One value with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Where it is not the metric's own name: `…_bucket`, `…_sum`, `…_count`. */
  readonly metricName?: string;
  /** Shown where the format has them. */
  readonly exemplar?: Exemplar;
}

/** A metric with its values at one moment. The name of a counter ends in `_total`, that of no other does. */
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

/** A format of `/metrics`. */
export type ExpositionFormat = "prometheus" | "openmetrics";

/** Media types of the formats. */
export const EXPOSITION_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** Writes metrics in a format. */
export function expositionText(metrics: readonly Metric[], format: ExpositionFormat): string {
  return format === "openmetrics" ? openMetricsText(metrics) : prometheusText(metrics);
}

/** The Prometheus text format, version 0.0.4. */
export function prometheusText(metrics: readonly Metric[]): string {
  return metrics.map(({ name, help, type, values }) =>
    [
      `# HELP ${name} ${escaped(help)}`,
      `# TYPE ${name} ${type}`,
      ...values.map((sample) => sampleText(sample, name)),
    ].join("\n")
  ).join("\n\n") + "\n";
}

/** OpenMetrics, version 1.0.0: with units and exemplars, and an end that shows that nothing was cut off. */
export function openMetricsText(metrics: readonly Metric[]): string {
  return metrics.flatMap(({ name, help, type, values }) => {
    const family = type === "counter" ? name.replace(/_total$/, "") : name;
    const unit = UNITS.find((unit) => family.endsWith(`_${unit}`));
    return [
      `# TYPE ${family} ${type}`,
      ...unit === undefined ? [] : [`# UNIT ${family} ${unit}`],
      `# HELP ${family} ${quoted(help)}`,
      ...values.map((sample) => sampleText(sample, name) + exemplarText(sample.exemplar)),
    ];
  }).join("\n") + "\n# EOF\n";
}

/** Words that the names of metrics end in. */
const UNITS = ["seconds", "bytes", "ratio"] as const;

function sampleText({ metricName, labels, value }: Sample, name: string): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${quoted(text)}"`);
  return `${metricName ?? name}${pairs.length === 0 ? "" : `{${pairs.join()}}`} ${valueText(value)}`;
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return "";
  const { traceId, valueMs, atMs } = exemplar;
  return ` # {trace_id="${quoted(traceId)}"} ${valueMs / 1000} ${atMs / 1000}`;
}

function quoted(text: string): string {
  return escaped(text).replaceAll('"', '\\"');
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function valueText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? String(value) : value < 0 ? "-Inf" : "+Inf";
}
