import type { Config } from "../../config/config.ts";
import { formatListenAddress } from "../../config/addresses.ts";

/** What of a configuration is fixed when the process starts, by its path in the file. All other keys are brought into force by a reload. */
const RESTART_ONLY: ReadonlyArray<readonly [path: string, value: (config: Config) => unknown]> = [
  ["server.workers", ({ server }) => server.workers],
  ["server.data_dir", ({ server }) => server.dataDir],
  ["server.worker_timeout", ({ server }) => server.workerTimeoutMs],
  ["server.reuse_port", ({ server }) => server.reusePort],
  ["server.cpu_affinity", ({ server }) => String(server.cpuAffinity)],
  ["admin.listen", ({ admin }) => formatListenAddress(admin.listen)],
  // What it shows there may change.
  ["admin.tls", ({ admin }) => admin.tls === null],
  // A tier that is off stays off, and the other way round; its size may change.
  ["cache.disk", ({ cache }) => cache.diskBytes > 0],
  ["cache.min_free_disk", ({ cache }) => cache.minFreeDiskBytes],
  ["cache.fill_memory", ({ cache }) => cache.fillMemoryBytes],
  ["cluster", ({ cluster }) => JSON.stringify(cluster)],
  ["cache.shared", ({ cache }) => JSON.stringify(cache.shared)],
  ["cache.collapse_timeout", ({ cache }) => cache.collapseTimeoutMs],
];

/** The settings that differ from those of the start and take effect at the next one, by their path in the file. */
export function changedAtRestart(started: Config, next: Config): string[] {
  const changed = RESTART_ONLY.flatMap(([path, value]) => value(started) === value(next) ? [] : [path]);
  // How many descriptors there are is found out before anything is opened, and only where that is asked for.
  const wasAuto = started.server.limits.maxConnections === "auto";
  const isAuto = next.server.limits.maxConnections === "auto";
  return isAuto && !wasAuto ? [...changed, "server.limits.max_connections"] : changed;
}

/** A configuration with what workers that start later have to have in common with the others: the cluster as it was at the start. */
export function withStarted({ cluster, cache: { shared } }: Config, next: Config): Config {
  return { ...next, cluster, cache: { ...next.cache, shared } };
}
