import { SERVER_NAMES, type ServerName } from "./_servers.ts";

/** One run of load on one server. */
export interface Sample {
  /** CPU time of all processes of the server per request, in microseconds; null where it cannot be told. */
  readonly cpuUs: number | null;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What went wrong; empty where nothing did. */
  readonly problem: string;
}

/** Samples by case and server, one a round. */
export type Results = ReadonlyMap<string, ReadonlyMap<ServerName, readonly Sample[]>>;

const LABELS: Readonly<Record<string, string>> = {
  "hit-1k": "memory hit, 1 KB",
  "hit-100k": "memory hit, 100 KB",
  "disk-1k": "disk hit, 1 KB",
  "disk-100k": "disk hit, 100 KB",
  "pass-1k": "passed on, 1 KB",
  "pass-100k": "passed on, 100 KB",
  "miss-1k": "miss, stored, 1 KB",
  "miss-100k": "miss, stored, 100 KB",
  "latency-1k": "memory hit, 1 KB",
  "latency-100k": "memory hit, 100 KB",
};

const COLUMNS: Readonly<Record<ServerName, string>> = {
  usher: "Usher",
  nginx: "nginx",
  varnish: "Varnish",
  memory: "`Deno.serve`",
  pass: "`Deno.serve` + `fetch`",
};

type Figure = (sample: Sample) => number | null;

const cpu: Figure = ({ cpuUs }) => cpuUs;
const rate: Figure = ({ requestsPerSecond }) => requestsPerSecond;
const p50: Figure = ({ p50Ms }) => p50Ms;

/** CPU time and requests per second of every case, as two Markdown tables; empty without a case. */
export function costTables(results: Results): string {
  const cases = [...results.keys()].filter((name) => /^(hit|disk|pass|miss)-/.test(name));
  if (cases.length === 0) return "";
  return `
CPU time per request in microseconds, all processes of a server; in brackets Usher's as a multiple of it:

${table(results, cases, { figure: cpu, digits: 1 })}

Requests per second; in brackets Usher's as a multiple of it:

${table(results, cases, { figure: rate, digits: 0 })}`;
}

/** Median response times on one kept connection. */
export function latencyTable(results: Results): string {
  const cases = [...results.keys()].filter((name) => name.startsWith("latency-"));
  if (cases.length === 0) return "";
  return `
Median response time in milliseconds on one kept connection; in brackets Usher's as a multiple of it:

${table(results, cases, { figure: p50, digits: 3 })}`;
}

/** What a memory hit of 1 KB costs with few and with many connections. */
export function crowdTable(results: Results): string {
  const [few, many] = [results.get("crowd-4"), results.get("crowd-4000")];
  if (few === undefined || many === undefined) return "";
  const rows = [...few].map(([name, samples]) => {
    const others = many.get(name)!;
    const cells = [median(samples.map(cpu)), median(others.map(cpu)), ratio(others, samples, cpu)];
    return `| ${COLUMNS[name]} | ${shown(cells[0]!, 1)} | ${shown(cells[1]!, 1)} | ${shown(cells[2]!, 2)} |`;
  });
  return `
CPU time per request in microseconds, memory hit of 1 KB, by connections that are open (load by the bench's own client):

| | 4 | 4,000 | ratio |
|---|---:|---:|---:|
${rows.join("\n")}`;
}

/** Everything that was measured, for programs. */
export function resultsJson(about: Readonly<Record<string, unknown>>, results: Results): string {
  const cases = Object.fromEntries([...results].map(([name, servers]) => {
    const summaries = [...servers].map(([server, samples]) => [server, { ...summary(samples), rounds: samples }]);
    return [name, Object.fromEntries(summaries)];
  }));
  return JSON.stringify({ ...about, cases }, null, 2);
}

function summary(samples: readonly Sample[]) {
  return {
    cpuUs: median(samples.map(cpu)),
    requestsPerSecond: median(samples.map(rate)),
    p50Ms: median(samples.map(p50)),
    p99Ms: median(samples.map(({ p99Ms }) => p99Ms)),
  };
}

interface Shape {
  readonly figure: Figure;
  readonly digits: number;
}

function table(results: Results, cases: readonly string[], { figure, digits }: Shape): string {
  const servers = SERVER_NAMES.filter((name) => cases.some((one) => results.get(one)!.has(name)));
  const rows = cases.map((one) => {
    const measured = results.get(one)!;
    const usher = measured.get("usher")!;
    const cells = servers.map((name) => {
      const samples = measured.get(name);
      if (samples === undefined) return "";
      const value = shown(median(samples.map(figure)), digits);
      return name === "usher" ? `**${value}**` : `${value} (${shown(ratio(usher, samples, figure), 2)})`;
    });
    return `| ${LABELS[one]} | ${cells.join(" | ")} |`;
  });
  const names = servers.map((name) => COLUMNS[name]);
  return [`| | ${names.join(" | ")} |`, `|---|${names.map(() => "---:").join("|")}|`, ...rows].join("\n");
}

/** The median of what two servers came to in the same rounds. */
function ratio(samples: readonly Sample[], others: readonly Sample[], figure: Figure): number | null {
  return median(samples.map((sample, round) => {
    const [value, other] = [figure(sample), figure(others[round]!)];
    return value === null || other === null ? null : value / other;
  }));
}

/** The middle of what is known; null where nothing is. A round without a response gives no ratio. */
export function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value): value is number => Number.isFinite(value)).toSorted((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function shown(value: number | null, digits: number): string {
  const style = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value === null ? "–" : value.toLocaleString("en", style);
}
