import process from "node:process";
import { counter, gauge, type Metric } from "../../metrics/exposition.ts";
import type { ReloadCounts } from "../supervisor/reload_counts.ts";

/** What the figures of the process are made from. */
export interface ProcessFacts {
  readonly startedAtMs: number;
  /** Descriptors that the process may have. */
  readonly descriptors: number;
}

/** The process as dashboards know it from others: these names are the same everywhere. */
export function processMetrics({ startedAtMs, descriptors }: ProcessFacts): Metric[] {
  const { user, system } = process.cpuUsage();
  const openFiles = openDescriptors();
  return [
    counter("process_cpu_seconds_total", "Processor time of all threads", [sample((user + system) / 1e6)]),
    gauge("process_resident_memory_bytes", "Memory of the whole process", [sample(Deno.memoryUsage().rss)]),
    gauge("process_start_time_seconds", "When the process began, since the Unix epoch", [sample(startedAtMs / 1000)]),
    gauge("process_max_fds", "Descriptors that the process may have, as far as it looked", [sample(descriptors)]),
    ...openFiles === null ? [] : [gauge("process_open_fds", "Descriptors that are open", [sample(openFiles)])],
  ];
}

/** How the configuration in force came about. */
export function reloadMetrics(generation: number, reloads: ReloadCounts): Metric[] {
  const { succeeded, failed, isGood, succeededAtMs, tookMs } = reloads;
  return [
    gauge("usher_config_generation", "Number of the configuration in force, 1 at the start", [sample(generation)]),
    counter("usher_config_reloads_total", "Reloads by what came of them", [
      { labels: { result: "success" }, value: succeeded },
      { labels: { result: "failure" }, value: failed },
    ]),
    gauge("usher_config_last_reload_successful", "1 where the last reload, or the start, took the file as it was", [
      sample(isGood ? 1 : 0),
    ]),
    gauge(
      "usher_config_last_reload_success_timestamp_seconds",
      "When a configuration was taken last, since the Unix epoch",
      [sample(succeededAtMs / 1000)],
    ),
    gauge(
      "usher_config_last_reload_duration_seconds",
      "How long the last reload took",
      tookMs === null ? [] : [sample(tookMs / 1000)],
    ),
  ];
}

/** What the KV file takes on disk; no values where there is none. */
export function kvFileMetrics(path: string | null): Metric[] {
  const sizes = path === null ? [] : ([["database", path], ["log", `${path}-wal`]] as const).flatMap(([file, path]) => {
    const value = sizeOf(path);
    return value === null ? [] : [{ labels: { file }, value }];
  });
  return [gauge("usher_kv_file_bytes", "Bytes on disk of the KV file, and of its log of writes", sizes)];
}

function sample(value: number) {
  return { labels: {}, value };
}

function sizeOf(path: string): number | null {
  try {
    return Deno.statSync(path).size;
  } catch {
    return null;
  }
}

/** `null` where the system does not tell: the runtime lets only a process that may do everything look. */
function openDescriptors(): number | null {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length;
  } catch {
    return null;
  }
}
