import assert from "node:assert/strict";
import { engineLabel } from "../../lib/cluster/engine_options.ts";
import { changedAtRestart, withStarted } from "../../lib/workers/supervisor/restart_settings.ts";
import { shownValues } from "../../lib/config/shown_values.ts";
import { CERTIFICATE } from "./_certificate.ts";
import { configOf, loadText, problemsOf, SOUND, type Surroundings, warningsOf } from "./load_text.ts";

const AROUND: Surroundings = {
  env: { SECRET: "correct-horse-battery", PASSWORD: "pass-of-the-engine", SHORT: "short" },
  files: { "/etc/usher/ca.pem": CERTIFICATE },
};
const ENGINE = 'engine: redis://valkey.lan, secret: "${SECRET}"';

function clusterOf(text: string) {
  return configOf(`cluster: { ${text} }${SOUND}`, AROUND);
}

Deno.test("clusterOf(): there is none by default, and one needs its engine and secret alone", async () => {
  const none = await configOf(SOUND);
  assert.deepEqual([none.cluster, none.cache.shared], [null, null]);
  const { cluster } = await clusterOf(ENGINE);
  assert.deepEqual(cluster, {
    engine: {
      place: { kind: "server", address: { host: "valkey.lan", port: 6379 }, database: 0 },
      user: null,
      password: null,
      tls: null,
    },
    name: "usher",
    secret: "correct-horse-battery",
    member: null,
    leaseMs: 5_000,
    alone: "serve",
    share: ["purges", "limits", "keys", "flights", "changes", "health"],
  });
  assert.deepEqual(await problemsOf(`cluster: { secret: "\${SECRET}" }${SOUND}`, AROUND), [
    "1:1 cluster.engine: found nothing expected a mapping with url, sentinels, name, nodes, user, database, tls, sentinel_user, " +
    "sentinel_password",
  ]);
});

Deno.test("engineOf() reads URLs, sentinels and nodes", async () => {
  const place = async (text: string) => {
    const { engine } =
      (await clusterOf(`${ENGINE.replace("redis://valkey.lan", text)}, password: "\${PASSWORD}", ca: ca.pem`)
        .catch((error) => assert.fail(`${text}: ${error}`))).cluster!;
    assert.equal(engine.password, "pass-of-the-engine");
    return [engineLabel(engine), engine.user, engine.tls?.ca ?? null];
  };
  assert.deepEqual(await place('"rediss://us%40er@[::1]:7000/3"'), ["rediss://[::1]:7000/3", "us@er", CERTIFICATE]);
  assert.deepEqual(await place("[a, b:7000]"), ["redis://a:6379,b:7000", null, null]);
  assert.deepEqual(await place("{ nodes: [a], tls: true, user: u }"), ["rediss://a:6379", "u", CERTIFICATE]);
  assert.deepEqual(await place("{ sentinels: [a, b:7], name: main, database: 2 }"), [
    ...["redis://main@sentinels(a:26379,b:7)/2", null, null],
  ]);
});

Deno.test("checkEngine() wants one way to the engine, and secrets from outside of the file", async () => {
  const cases: ReadonlyArray<readonly [text: string, says: RegExp]> = [
    [
      "engine: redis://u:p@h",
      /cluster\.engine: found "redis:\/\/…@h" expected a URL .* its password belongs in `password`/,
    ],
    ["engine: redis://h/16", /expected a URL/],
    ["engine: redis://h:0", /expected a URL/],
    ["engine: http://h", /expected a URL/],
    ["engine: {}", /expected one of `url`, `sentinels` and `nodes`/],
    ["engine: { nodes: [a], sentinels: [b], name: c }", /expected one of/],
    ["engine: { sentinels: [b] }", /engine\.name: found nothing expected what the sentinels call the primary/],
    ["engine: { nodes: [a], database: 1 }", /database: found 1 expected 0 beside `nodes`/],
    ["engine: []", /at least one address/],
    [
      "engine: redis://h, password: plain-password",
      /cluster\.password: found a value that is not shown expected \$\{file/,
    ],
    ["engine: redis://h, cert: a.pem", /found cert alone expected key/],
  ];
  for (const [text, says] of cases) {
    const [first = "", ...more] = await problemsOf(`cluster: { ${text}, secret: "\${SECRET}" }${SOUND}`, AROUND);
    assert.match(first, says, text);
    assert.deepEqual(more, [], text);
    assert.doesNotMatch(first, /plain-password/);
  }
  for (const secret of ["correct-horse-battery", '"${SHORT}"']) {
    const [first = ""] = await problemsOf(`cluster: { engine: redis://h, secret: ${secret} }${SOUND}`, AROUND);
    assert.match(
      first,
      /cluster\.secret: found .* expected \$\{file:\/path\} or \$\{NAME\}, and a text of at least 16/,
    );
    assert.doesNotMatch(first, /correct-horse|"short"/);
  }
});

Deno.test("checkCluster() warns of what has no effect", async () => {
  const warnings = (text: string) => warningsOf(`${text}${SOUND}`, AROUND);
  assert.deepEqual(await warnings(`cluster: { ${ENGINE}, ca: ca.pem }`), [
    "1:65 cluster.ca: it has no effect: TLS is not spoken (rediss://)",
  ]);
  assert.match(
    (await warnings("cache: { shared: true }"))[0]!,
    /cache\.shared: it has no effect: there is no `cluster`/,
  );
  const other = `cluster: { ${ENGINE} }\ncache: { shared: { timeout: 1ms, password: "\${PASSWORD}" } }`;
  assert.deepEqual((await warnings(other)).map((one) => one.replace(/^\S+ /, "")), [
    "cache.shared.timeout: so short a time makes a miss of many look-ups",
    "cache.shared.password: it has no effect without an `engine` beside it",
  ]);
  const listener = SOUND.replace("pool: a }", "pool: a, cache: { shared: true } }");
  assert.match((await warningsOf(listener))[0]!, /cache\.shared: it has no effect/);
  assert.deepEqual(await warningsOf(`cluster: { ${ENGINE} }\ncache: { shared: true }${listener}`, AROUND), []);
});

Deno.test("sharedTierOf() has the cluster's engine, or its own", async () => {
  const config = await configOf(`cluster: { ${ENGINE} }\ncache: { shared: true }${SOUND}`, AROUND);
  assert.deepEqual(config.cache.shared, {
    ...{ engine: config.cluster!.engine, hasOwnEngine: false },
    ...{ maxEntryBytes: 1024 ** 2, timeoutMs: 20, ttlMs: 7 * 86_400_000, encrypt: false },
  });
  const own = await configOf(`cluster: { ${ENGINE} }\ncache: { shared: { engine: redis://other/1 } }${SOUND}`, AROUND);
  assert.equal(engineLabel(own.cache.shared!.engine), "redis://other:6379/1");
  const off = await configOf(`cluster: { ${ENGINE} }\ncache: { shared: false }${SOUND}`, AROUND);
  assert.equal(off.cache.shared, null);
});

Deno.test("a cluster is changed by a restart alone, and workers that start later have the one of the start", async () => {
  const started = await clusterOf(ENGINE);
  const next = await clusterOf(`${ENGINE}, lease: 9s`);
  assert.deepEqual(changedAtRestart(started, next), ["cluster"]);
  assert.deepEqual(changedAtRestart(started, await clusterOf(ENGINE)), []);
  const kept = withStarted(started, next);
  assert.equal(kept.cluster?.leaseMs, 5_000);
  assert.equal(kept.pools, next.pools);
});

Deno.test("shownValues() shows a cluster without its secrets", async () => {
  const result = await loadText(`cluster: { ${ENGINE}, password: "\${PASSWORD}" }${SOUND}`, AROUND);
  assert.ok(result.ok);
  const shown = JSON.stringify(shownValues(result.values));
  assert.match(shown, /redis:\/\/valkey\.lan/);
  assert.doesNotMatch(shown, /correct-horse|pass-of/);
});
