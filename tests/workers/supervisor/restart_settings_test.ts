import assert from "node:assert/strict";
import { type JsonSchema, jsonSchema } from "../../../lib/config/json_schema.ts";
import { changedAtRestart } from "../../../lib/workers/supervisor/restart_settings.ts";
import { madeAuthority } from "../../certificates/made.ts";
import { configOf, SOUND } from "../../config/load_text.ts";

const made = await (await madeAuthority()).leaf(["usher.example"]);
const files = { "/etc/usher/c.pem": made.cert, "/etc/usher/k.pem": made.key };

/**
 * Every key about the process with another value than its default, and when that takes effect. Whoever adds a key adds it here, and so
 * finds out: what a worker takes from the configuration only when it starts belongs to `changedAtRestart`.
 */
const KEYS: Readonly<Record<string, readonly [value: string, effect: "reload" | "restart"]>> = {
  "server.name": ["other", "reload"],
  "server.workers": ["7", "restart"],
  "server.data_dir": ["./elsewhere", "restart"],
  "server.shutdown_grace": ["7s", "reload"],
  "server.shutdown_delay": ["7s", "reload"],
  "server.worker_timeout": ["77s", "restart"],
  "server.trusted_proxies": ["[10.0.0.0/8]", "reload"],
  "server.max_request_body": ["7MiB", "reload"],
  "server.reuse_port": ["false", "restart"],
  "server.cpu_affinity": ["true", "restart"],
  "server.watch": ["true", "reload"],
  "server.limits.head_timeout": ["7s", "reload"],
  "server.limits.handshake_timeout": ["7s", "reload"],
  "server.limits.idle_timeout": ["7s", "reload"],
  "server.limits.body_timeout": ["7s", "reload"],
  "server.limits.body_rate": ["7KiB", "reload"],
  "server.limits.send_timeout": ["7s", "reload"],
  "server.limits.unsent": ["64MiB", "reload"],
  "server.limits.max_connections": ["700", "reload"],
  "server.limits.reserve_descriptors": ["7", "reload"],
  "server.limits.per_address": ["7", "reload"],
  "server.limits.max_fields": ["7", "reload"],
  "server.limits.fields_size": ["7KiB", "reload"],
  "server.limits.target_size": ["7KiB", "reload"],
  "server.limits.pipeline": ["7", "reload"],
  "admin.listen": ["127.0.0.1:7777", "restart"],
  "admin.tls": ["{ cert: c.pem, key: k.pem }", "restart"],
  "admin.token": ["literal-0123456789", "reload"],
  "admin.tokens": ["[{ name: other, token: literal-0123456789, role: read }]", "reload"],
  "admin.peers": ["[{ url: http://10.0.0.2:6636 }]", "reload"],
  "logging.level": ["debug", "reload"],
  "logging.format": ["json", "reload"],
  "logging.access": ["all", "reload"],
  "logging.access_format": ["combined", "reload"],
  "logging.sample": ["7", "reload"],
  "logging.slow": ["7s", "reload"],
  "logging.client": ["network", "reload"],
  "logging.levels.process": ["debug", "reload"],
  "logging.levels.config": ["debug", "reload"],
  "logging.levels.request": ["debug", "reload"],
  "logging.levels.upstream": ["debug", "reload"],
  "logging.levels.cache": ["debug", "reload"],
  "logging.levels.tls": ["debug", "reload"],
  "logging.levels.admin": ["debug", "reload"],
  "cache.memory": ["77MiB", "reload"],
  "cache.disk": ["0", "restart"],
  "cache.min_free_disk": ["77MiB", "restart"],
  "cache.max_entry": ["7MiB", "reload"],
  "cache.fill_memory": ["77MiB", "restart"],
  "cache.fill_timeout": ["7s", "reload"],
  "cache.collapse_timeout": ["7s", "restart"],
  "cache.background_fill": ["false", "reload"],
  "cache.shared_stale": ["true", "reload"],
  "tracing": ["{ endpoint: http://127.0.0.1:4318 }", "reload"],
  "cluster": ["{ engine: 'redis://valkey.lan', secret: '${file:c.pem}' }", "restart"],
  "images.concurrency": ["7", "reload"],
  "images.queue": ["7", "reload"],
  "images.timeout": ["7s", "reload"],
  "images.max_size": ["7MiB", "reload"],
  "images.max_pixels": ["7000", "reload"],
};

/** The keys of the main file that hold no other keys, those of lists as one. */
function* leaves(schema: JsonSchema, path: string): Generator<string> {
  const mapping = [schema, ...schema.anyOf ?? []].find(({ properties }) => properties !== undefined);
  if (path in KEYS || path === "cache.shared" || mapping === undefined) return yield path;
  for (const [key, value] of Object.entries(mapping.properties!)) {
    yield* leaves(value, path === "" ? key : `${path}.${key}`);
  }
}

/** A sound file with one key about the process. */
function fileWith(path: string, value: string): string {
  const keys = path.split(".");
  return `${keys.map((key, depth) => `${"  ".repeat(depth)}${key}:`).join("\n")} ${value}\n${SOUND}`;
}

Deno.test("changedAtRestart() names every key about the process that a reload does not bring into force, and no other", async () => {
  const { pools: _p, listeners: _l, forward_proxies: _f, include: _i, ...ofProcess } = jsonSchema().properties!;
  assert.deepEqual([...leaves({ properties: ofProcess }, "")].sort(), [...Object.keys(KEYS), "cache.shared"].sort());
  const started = await configOf(SOUND);
  for (const [path, [value, effect]] of Object.entries(KEYS)) {
    const next = await configOf(fileWith(path, value), { files });
    assert.notDeepEqual(next, started, `${path}: ${value} changes nothing`);
    assert.deepEqual(changedAtRestart(started, next), effect === "restart" ? [path] : [], path);
    const back = changedAtRestart(next, started);
    // The descriptors that `auto` goes by are counted at the start alone.
    const isCounted = path === "server.limits.max_connections";
    assert.deepEqual(back, effect === "restart" || isCounted ? [path] : [], `${path}, back`);
  }
});

Deno.test("changedAtRestart() names a shared tier, which only a cluster has, and each change of either", async () => {
  const of = (more: string, cluster = "") =>
    configOf(`${more}cluster: { engine: 'redis://valkey.lan', secret: '\${file:c.pem}'${cluster} }\n${SOUND}`, {
      files,
    });
  const [without, withIt] = [await of(""), await of("cache: { shared: true }\n")];
  assert.deepEqual(changedAtRestart(without, withIt), ["cache.shared"]);
  assert.deepEqual(changedAtRestart(withIt, await of("cache: { shared: { ttl: 1d } }\n")), ["cache.shared"]);
  assert.deepEqual(changedAtRestart(without, await of("", ", lease: 7s")), ["cluster"]);
});

Deno.test("changedAtRestart() lets tiers and addresses change where the process can", async () => {
  const before = await configOf(`cache: { disk: 1GiB }\nadmin: { tls: { cert: c.pem, key: k.pem } }\n${SOUND}`, {
    files,
  });
  const other = await configOf(
    `cache: { disk: 2GiB }\nadmin: { tls: { cert: c.pem, key: k.pem, min_version: "1.3" } }\n` +
      `include: conf.d\n${SOUND}`,
    {
      files: {
        ...files,
        "/etc/usher/conf.d/b.yaml": "pools:\n  b: { type: custom, upstreams: [https://b.example] }\n",
      },
    },
  );
  assert.deepEqual(changedAtRestart(before, other), []);
});
