import assert from "node:assert/strict";
import type { Config } from "../../lib/config/config.ts";
import { loadConfig, type LoadResult } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";

/** A mapping as it stands in a configuration file. */
export type Mapping = Readonly<Record<string, unknown>>;

/** A pool and a listener, for tests that need a configuration and do not care which. */
export const ANY_CONFIG: Mapping = {
  pools: { films: { type: "custom", health: false, upstreams: ["http://127.0.0.1:9"] } },
  listeners: [{ name: "films", listen: "127.0.0.1:6635", pool: "films" }],
};

/** The keys of a gateway that shares what it stores with others. */
export const SHARED: Mapping = {
  cluster: { engine: "redis://127.0.0.1:9", secret: "${CLUSTER_SECRET}" },
  cache: { shared: true },
};

/** Loads a configuration as a file of the name `config.yaml` would be; YAML takes JSON as it is. */
export function loadOf(file: Mapping): Promise<LoadResult> {
  return loadConfig("config.yaml", {
    readTextFile: () => Promise.resolve(JSON.stringify(file)),
    // Secrets may not stand in the file.
    env: (name) => name === "CLUSTER_SECRET" ? "a secret of these tests alone" : undefined,
    cores: 1,
    cwd: "/etc/usher",
  });
}

/** The configuration of a sound file. */
export async function configOf(file: Mapping): Promise<Config> {
  const loaded = await loadOf(file);
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.problems.map(formatLocated).join("\n"));
  return loaded.config;
}
