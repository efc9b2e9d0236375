import assert from "node:assert/strict";
import type { Config } from "../../../lib/config/config.ts";
import { loadConfig, type LoadResult } from "../../../lib/config/load.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { madeAuthority } from "../../certificates/made.ts";
import {
  changedNames,
  ConfigChanges,
  type ConfigChangesOptions,
} from "../../../lib/workers/supervisor/config_changes.ts";
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
    forward_proxies: undefined,
    others: undefined,
  });
  assert.deepEqual(changedAtRestart(before, await configOf(BASE)), []);
  const after = await configOf(
    BASE.replace("workers: 2", "workers: 3").replace("127.0.0.1:2]", "127.0.0.1:3]")
      .replace("- { name: one, prefix: /one, pool: a }", "- { name: new, prefix: /new, pool: a }") +
      "admin: { token: s3cret-0123456789 }\nlogging: { level: debug }\n",
  );
  const names = changedNames(before, after);
  assert.deepEqual(names, {
    pools: "~b",
    listeners: "-one +new",
    forward_proxies: undefined,
    others: "~server ~admin ~logging",
  });
  assert.deepEqual(changedAtRestart(before, after), ["server.workers"]);
});

/** A line of changes over a fleet that takes what it is told, and files that the test writes. */
async function changesOf(files: Record<string, string>) {
  const load = (): Promise<LoadResult> =>
    loadConfig("config.yaml", {
      readTextFile: (path) => Promise.resolve(files[path] ?? ""),
      env: () => undefined,
      cores: 2,
      cwd: "/srv",
    });
  const loaded = await load();
  assert.ok(loaded.ok, JSON.stringify(loaded));
  let current = { generation: 1, config: loaded.config };
  const asked: string[] = [];
  const options = {
    ...{ config: loaded.config, loaded, configFile: "config.yaml", source: load },
    acme: { complete: (config: Config) => Promise.resolve(config) } as unknown as ConfigChangesOptions["acme"],
    logger: createLogger({ level: "error", format: "json", sink: () => {}, now: () => 0 }),
    fleet: {
      get current() {
        return current;
      },
      reload: (next: typeof current) => (asked.push("reload"), current = next, Promise.resolve(null)),
      tryOut: () => (asked.push("try"), Promise.resolve(asked.length > 2 ? "serving-0 has no room" : null)),
    },
    adjustAdmin: () => {},
    onReloaded: () => {},
  };
  return { changes: new ConfigChanges(options), asked };
}

Deno.test("ConfigChanges says what a reload would change, and then what it has: in words, also of files that are named", async () => {
  const authority = await madeAuthority();
  const [first, second] = [await authority.leaf(["a.example"]), await authority.leaf(["a.example"])];
  const files: Record<string, string> = {
    "/srv/config.yaml": BASE.replace("pool: a }", "pool: a, listen: 127.0.0.1:1, tls: { cert: c.pem, key: k.pem } }"),
    ...{ "/srv/c.pem": first.cert, "/srv/k.pem": first.key },
  };
  const { changes, asked } = await changesOf(files);
  assert.deepEqual(await changes.tryOut(), { ok: true, generation: 1, changes: [], needsRestart: [] });
  Object.assign(files, { "/srv/c.pem": second.cert, "/srv/k.pem": second.key });
  files["/srv/config.yaml"] = files["/srv/config.yaml"]!.replace("prefix: /two", "prefix: /zwei");
  const told = ['listener "two": prefix: /two → /zwei', 'listener "one": a file that it names has changed'];
  assert.deepEqual(await changes.tryOut(), { ok: true, generation: 1, changes: told, needsRestart: [] });
  assert.deepEqual([changes.lastReload, changes.inForce.values.listeners[1]?.prefix], [null, "/two"]);
  assert.deepEqual(await changes.reload(), { ok: true, generation: 2, changes: told, needsRestart: [] });
  assert.equal(changes.inForce.values.listeners[1]?.prefix, "/zwei");
  assert.deepEqual(await changes.tryOut(), { ok: false, problems: ["serving-0 has no room"] });
  files["/srv/config.yaml"] = "pools: {}";
  assert.equal((await changes.tryOut()).ok, false);
  assert.deepEqual(asked, ["try", "try", "reload", "try"], "a file with mistakes comes to no worker");
  assert.deepEqual(changes.lastReload?.problems, []);
});
