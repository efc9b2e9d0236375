import assert from "node:assert/strict";
import type { Config } from "../../../lib/config/config.ts";
import { loadConfig } from "../../../lib/config/load.ts";
import { changedNames } from "../../../lib/workers/supervisor/config_changes.ts";
import { changedAtRestart } from "../../../lib/workers/supervisor/restart_settings.ts";

async function configOf(text: string): Promise<Config> {
  const loaded = await loadConfig("config.yaml", {
    readTextFile: () => Promise.resolve(text),
    env: () => undefined,
    cores: 2,
    cwd: "/srv",
  });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.config;
}

const BASE = `server: { workers: 2 }
pools:
  a: { type: custom, upstreams: [http://127.0.0.1:1], health: false }
  b: { type: custom, upstreams: [http://127.0.0.1:2], health: false }
listeners:
  - { name: one, prefix: /one, pool: a }
  - { name: two, prefix: /two, pool: b }
`;

Deno.test("changedNames() and changedAtRestart() say by name what a reload changes, and nothing of what is in it", async () => {
  const before = await configOf(BASE);
  assert.deepEqual(changedNames(before, await configOf(BASE)), {
    pools: undefined,
    listeners: undefined,
    others: undefined,
  });
  assert.deepEqual(changedAtRestart(before, await configOf(BASE)), []);
  const after = await configOf(
    BASE.replace("workers: 2", "workers: 3").replace("127.0.0.1:2]", "127.0.0.1:3]")
      .replace("- { name: one, prefix: /one, pool: a }", "- { name: new, prefix: /new, pool: a }") +
      "admin: { token: s3cret-0123456789 }\nlogging: { level: debug }\n",
  );
  const names = changedNames(before, after);
  assert.deepEqual(names, { pools: "~b", listeners: "-one +new", others: "~server ~admin ~logging" });
  assert.deepEqual(changedAtRestart(before, after), ["server.workers"]);
});
