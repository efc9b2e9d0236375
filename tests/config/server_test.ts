import assert from "node:assert/strict";
import { configOf, problemsOf, SOUND, warningsOf } from "./load_text.ts";

/** A sound file whose server has these keys. */
function withServer(keys: string): string {
  return `server: { ${keys} }${SOUND}`;
}

function withLimit(key: string, value: string): string {
  return withServer(`limits: { ${key}: ${value} }`);
}

/** Each limit with its least and its greatest value, and one beyond either. */
const BOUNDS: readonly (readonly [key: string, least: string, most: string, below: string, above: string])[] = [
  ...["head_timeout", "handshake_timeout", "idle_timeout", "body_timeout", "send_timeout"].map((key) =>
    [key, "10ms", "1d", "9ms", "25h"] as const
  ),
  ["body_rate", "1", "1GiB", "0", "2GiB"],
  ["max_connections", "1", "1000000", "0", "1000001"],
  ["reserve_descriptors", "0", "1000000", "-1", "1000001"],
  ["per_address", "0", "1000000", "-1", "1000001"],
  ["max_fields", "1", "10000", "0", "10001"],
  ["fields_size", "1KiB", "1MiB", "1023", "2MiB"],
  ["target_size", "256", "1MiB", "255", "2MiB"],
  ["pipeline", "1", "1000", "0", "1001"],
];

Deno.test("server.limits holds each key within its bounds, and says where one is not", async () => {
  for (const [key, least, most, below, above] of BOUNDS) {
    for (const value of [least, most]) assert.deepEqual(await problemsOf(withLimit(key, value)), [], `${key} ${value}`);
    for (const value of [below, above]) {
      const [line, ...others] = await problemsOf(withLimit(key, value));
      const place = `1:${23 + key.length} server.limits.${key}: found `;
      assert.ok(line?.startsWith(place) && / (?:from|to) /.test(line), `${key} ${value}: ${line}`);
      assert.deepEqual(others, []);
    }
  }
});

Deno.test("server.limits names the nearest key", async () => {
  assert.deepEqual(await problemsOf(withLimit("head_timout", "10s")), [
    '1:21 server.limits.head_timout: found unknown key "head_timout" expected one of head_timeout, handshake_timeout, ' +
    "idle_timeout, body_timeout, body_rate, send_timeout, unsent, max_connections, reserve_descriptors, per_address, max_fields, " +
    'fields_size, target_size, pipeline; did you mean "head_timeout"?',
  ]);
  assert.match((await problemsOf(withLimit("max_connections", "atuo")))[0] ?? "", /did you mean "auto"\?$/);
});

Deno.test("server.limits warns of a reserve of descriptors that nobody goes by", async () => {
  const warnings = await warningsOf(withServer("limits: { max_connections: 500, reserve_descriptors: 64 }"));
  assert.deepEqual(warnings, [
    "1:64 server.limits.reserve_descriptors: it has no effect: only `max_connections: auto` goes by descriptors",
  ]);
  assert.deepEqual(await warningsOf(withServer("limits: { reserve_descriptors: 64 }")), []);
  assert.deepEqual(await warningsOf(withServer("limits: { max_connections: 500 }")), []);
});

Deno.test("server.reuse_port is auto or false, also from outside", async () => {
  assert.equal((await configOf(SOUND)).server.reusePort, "auto");
  assert.equal((await configOf(withServer("reuse_port: false"))).server.reusePort, false);
  const env = { SHARE: "false" };
  assert.equal((await configOf(withServer('reuse_port: "${SHARE}"'), { env })).server.reusePort, false);
  for (const value of ["true", '"yes"', "1"]) {
    const [line] = await problemsOf(withServer(`reuse_port: ${value}`));
    assert.equal(line, `1:23 server.reuse_port: found ${value} expected auto or false`);
  }
});

Deno.test("server.cpu_affinity is true, false or a list of cores, also from outside", async () => {
  const cases: [text: string, value: unknown][] = [
    ["true", true],
    ["false", false],
    ["[0]", [0]],
    ["[3, 1, 3]", [3, 1, 3]],
    ["[]", false],
    ['"${PIN}"', true],
    ['["${CORE}"]', [7]],
  ];
  const env = { PIN: "true", CORE: "7" };
  for (const [text, value] of cases) {
    assert.deepEqual((await configOf(withServer(`cpu_affinity: ${text}`), { env })).server.cpuAffinity, value, text);
  }
  assert.equal((await configOf(SOUND)).server.cpuAffinity, false);
  for (const text of ["yes", "1", '"0-3"', "{ core: 1 }"]) {
    const [line] = await problemsOf(withServer(`cpu_affinity: ${text}`));
    assert.match(
      line ?? "",
      /^1:\d+ server\.cpu_affinity: found .* expected true, false, or a list of cores such as \[0, 2\]/,
    );
  }
  for (const text of ["[-1]", "[4096]", "[one]", "[1.5]"]) {
    assert.match(
      (await problemsOf(withServer(`cpu_affinity: ${text}`)))[0] ?? "",
      /^1:\d+ server\.cpu_affinity\[0\]: found /,
      text,
    );
  }
});

Deno.test("serverOf(), adminOf() and imageWorkerOf() say what each key means", async () => {
  const config = await configOf(`
server: { name: edge, workers: 2, data_dir: /var/usher, shutdown_grace: 1m, shutdown_delay: 10s, worker_timeout: 5s,
  trusted_proxies: [10.0.0.0/8], reuse_port: false, cpu_affinity: [0, 2],
  limits: { head_timeout: 10ms, handshake_timeout: 11ms, idle_timeout: 12ms, body_timeout: 13ms, body_rate: 14,
    send_timeout: 15ms, unsent: 2MiB, max_connections: 16, reserve_descriptors: 17, per_address: 18, max_fields: 19,
    fields_size: 2KiB, target_size: 256, pipeline: 20 } }
admin: { listen: "[::1]:1", token: s3cret, tokens: [{ name: grafana, token: m, role: metrics }], peers: [{ url: "http://b.example:6636/", token: t }, { url: "https://c.example" }] }
logging: { level: debug, levels: { cache: warn }, format: json, access: all, access_format: "{status}", sample: 9, slow: 2s, client: network }
images: { concurrency: 3, queue: 4, timeout: 5s, max_size: 6MiB, max_pixels: 7 }
${SOUND}`);
  const { limits, ...server } = config.server;
  assert.deepEqual(server, {
    ...{
      name: "edge",
      workers: 2,
      dataDir: "/var/usher",
      shutdownGraceMs: 60_000,
      shutdownDelayMs: 10_000,
      workerTimeoutMs: 5000,
    },
    ...{ trustedProxies: ["10.0.0.0/8"], reusePort: false, cpuAffinity: [0, 2], watch: false },
  });
  assert.deepEqual(limits, {
    ...{ headTimeoutMs: 10, handshakeTimeoutMs: 11, idleTimeoutMs: 12, bodyTimeoutMs: 13, bodyBytesPerSecond: 14 },
    ...{
      sendTimeoutMs: 15,
      unsentBytes: 2 * 1024 * 1024,
      maxConnections: 16,
      reserveDescriptors: 17,
      perAddress: 18,
      maxFields: 19,
    },
    ...{ fieldsBytes: 2048, targetBytes: 256, pipeline: 20 },
  });
  assert.deepEqual(config.admin, {
    listen: { hostname: "::1", port: 1 },
    tls: null,
    tokens: [{ name: "admin", token: "s3cret", role: "operate" }, { name: "grafana", token: "m", role: "metrics" }],
    peers: [{ url: "http://b.example:6636", token: "t" }, { url: "https://c.example", token: null }],
  });
  assert.deepEqual(config.logging, {
    ...{ level: "debug", levels: { cache: "warn" }, format: "json", client: "network" },
    access: { access: "all", format: "{status}", sample: 9, slowMs: 2_000 },
  });
  assert.deepEqual(config.images, { concurrency: 3, queue: 4, timeoutMs: 5000, maxBytes: 6 * 1024 ** 2, maxPixels: 7 });
});

Deno.test("loggingSection wants areas, forms and values that there are", async () => {
  const problems = await problemsOf(
    `logging: { levels: { upstreams: debug }, access_format: "{cookie}", slow: 2, client: half }${SOUND}`,
  );
  assert.equal(problems.length, 4);
  assert.match(problems[0]!, /found unknown key "upstreams" .*did you mean "upstream"/);
  assert.match(problems[1]!, /there is no value "cookie" \(known: time, referer, /);
  assert.deepEqual(
    await problemsOf(`logging: { access_format: "${"{client} {host} {status}"}", slow: off }${SOUND}`),
    [],
  );
});

Deno.test("serverOf() and imageWorkerOf() go by the machine where nothing is said", async () => {
  const { server, images } = await configOf(SOUND);
  assert.deepEqual([server.workers, server.dataDir, images.concurrency], [4, "/etc/usher/data", 2]);
});

Deno.test("checkAdmin() wants a token for an admin address that is open to others", async () => {
  assert.deepEqual(await problemsOf(`admin: { listen: ":6636" }${SOUND}`), [
    '1:18 admin.listen: found ":6636" expected a loopback address such as 127.0.0.1:6636, or a secret in admin.token',
  ]);
  assert.equal((await problemsOf(`admin: { listen: ":6636", token: "\${TOKEN:-}" }${SOUND}`)).length, 1);
  assert.deepEqual(await problemsOf(`admin: { listen: ":6636", token: s3cret }${SOUND}`), []);
  assert.deepEqual(await problemsOf(`admin: { listen: "[::1]:6636" }${SOUND}`), []);
  const open = `admin: { listen: ":6636", token: s3cret }${SOUND}`;
  assert.deepEqual((await warningsOf(open)).map((line) => line.replace(/: .*/, "")), ["1:18 admin.listen"]);
  assert.match((await warningsOf(open)).join(), /in clear text: set `admin\.tls`/);
  assert.deepEqual(await warningsOf(open.replace(":6636", "127.0.0.1:6636")), []);
  const named = "{ name: a, token: t, role: read }";
  assert.deepEqual(await problemsOf(`admin: { listen: ":6636", tokens: [${named}] }${SOUND}`), []);
});

Deno.test("checkAdmin() wants tokens that differ in name and text, and never shows the text", async () => {
  const lines = await problemsOf(`admin:
  token: hunter2hunter2
  tokens:
    - { name: admin, token: one, role: read }
    - { name: a, token: hunter2hunter2, role: read }
    - { name: a, token: two, role: metrics }
    - { name: b, token: two, role: write }
    - { name: "b c", token: three, role: read }
${SOUND}`);
  assert.equal(lines.length, 5, lines.join("\n"));
  assert.match(
    lines.join("\n"),
    /tokens\[0\]\.name.*another name[^]*tokens\[1\]\.token[^]*tokens\[2\]\.name[^]*tokens\[3\]\.role/,
  );
  assert.doesNotMatch(lines.join(), /hunter2|three/);
});
