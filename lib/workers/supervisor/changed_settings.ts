import type { Config } from "../../config/config.ts";
import type { LogFields } from "../../logging/logger.ts";

/** Settings that only a restart applies, by their path in the file. */
const RESTART_ONLY: ReadonlyArray<readonly [path: string, value: (config: Config) => unknown]> = [
  ["server.workers", (config) => config.server.workers],
  ["server.data_dir", (config) => config.server.dataDir],
  ["server.reuse_port", (config) => config.server.reusePort],
  ["server.cpu_affinity", (config) => String(config.server.cpuAffinity)],
  ["admin.listen", (config) => `${config.admin.listen.hostname}:${config.admin.listen.port}`],
  ["admin.tls", (config) => config.admin.tls === null],
  ["cache.disk", (config) => config.cache.diskBytes],
  ["cache.min_free_disk", (config) => config.cache.minFreeDiskBytes],
  ["cache.fill_memory", (config) => config.cache.fillMemoryBytes],
];

/** The settings that differ from those of the start and take effect at the next one, by their path in the file. */
export function changedAtRestart(started: Config, next: Config): string[] {
  return RESTART_ONLY.flatMap(([path, value]) => value(started) === value(next) ? [] : [path]);
}

/** Which pools, listeners and other parts have come, gone or changed, by name: for the log, without what is in them. */
export function changedNames(before: Config, after: Config): LogFields {
  const { pools: poolsBefore, listeners: listenersBefore, ...restBefore } = before;
  const { pools, listeners, ...rest } = after;
  return {
    pools: changed(byName(poolsBefore), byName(pools)),
    listeners: changed(byName(listenersBefore), byName(listeners)),
    others: changed(texts(Object.entries(restBefore)), texts(Object.entries(rest))),
  };
}

function byName(parts: readonly { readonly name: string }[]): Map<string, string> {
  return texts(parts.map((part) => [part.name, part]));
}

function texts(entries: ReadonlyArray<readonly [name: string, value: unknown]>): Map<string, string> {
  return new Map(entries.map(([name, value]) => [name, JSON.stringify(value, plain)]));
}

/** JSON shows nothing of a set, a map or a pattern. */
function plain(_: string, value: unknown): unknown {
  if (value instanceof Set || value instanceof Map) return [...value];
  return value instanceof RegExp ? String(value) : value;
}

/** `+new -gone ~different`; `undefined`, so no field, where nothing has changed. */
function changed(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string | undefined {
  const signs = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const sign = !before.has(name) ? "+" : !after.has(name) ? "-" : before.get(name) === after.get(name) ? "" : "~";
    return sign === "" ? [] : [sign + name];
  });
  return signs.length === 0 ? undefined : signs.join(" ");
}
