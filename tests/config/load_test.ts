import assert from "node:assert/strict";
import { join } from "node:path";
import { formatListenAddress } from "../../lib/config/addresses.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";
import { explainReadError, MAX_FILE_BYTES, readText, UnusableFile } from "../../lib/config/yaml/read_text.ts";
import { configOf, loadText, problemsOf, SOUND } from "./load_text.ts";

const TEN_MISTAKES = `server:
  workers: many
  shutdown_grase: 30s
admin:
  listen: 0.0.0.0:6636
pools:
  tmdb-api:
    type: tmdb-apy
    upstreams: [ftp://one.example]
  fanart:
    type: custom
    timeouts: { connect: 3 }
    upstreams: [https://two.example]
listeners:
  - { name: api, prefx: /3, pool: tmdb-api }
  - { name: api, prefix: /b, pool: fanrt }
  - { name: c, prefix: /b, pool: fanart }
`;

Deno.test("loadConfig() gives ten located messages for ten mistakes", async () => {
  assert.deepEqual(await problemsOf(TEN_MISTAKES), [
    '2:12 server.workers: found "many" expected auto, or a whole number from 1 to 256',
    '3:3 server.shutdown_grase: found unknown key "shutdown_grase" expected one of name, workers, data_dir, shutdown_grace, shutdown_delay, worker_timeout, trusted_proxies, max_request_body, reuse_port, cpu_affinity, watch, limits; did you mean "shutdown_grace"?',
    '5:11 admin.listen: found "0.0.0.0:6636" expected a loopback address such as 127.0.0.1:6636, or a secret in admin.token',
    '8:11 pools.tmdb-api.type: found "tmdb-apy" expected one of tmdb-api, tmdb-image, custom; did you mean "tmdb-api"?',
    '9:17 pools.tmdb-api.upstreams[0]: found "ftp://one.example" expected a URL with the scheme http or https',
    "12:26 pools.fanart.timeouts.connect: found 3 expected a duration with its unit, such as 500ms, 30s, 5m, 1h or 30d, from 1ms to 1h",
    '15:18 listeners[0].prefx: found unknown key "prefx" expected one of name, listen, proxy_protocol, tls, redirect_to_https, max_request_body, forward_fields, host, prefix, strip_prefix, pool, cache, auth, cors, max_in_flight, queue, rate_limit, pace, offline, trace_context, public_url, rewrite_image_base, fill_language, fill_wait, overrides, prewarm, images, server_timing, rules, redirects; did you mean "prefix"?',
    '16:13 listeners[1].name: found "api" expected a name of its own (listeners[0] in line 15 has it too)',
    '16:36 listeners[1].pool: found "fanrt" expected the name of a pool: tmdb-api, fanart; did you mean "fanart"?',
    '17:24 listeners[2].prefix: found "/b" expected a prefix that no other listener has on this address and host (listeners[1] in line 16 has it)',
  ]);
});

Deno.test("loadConfig() gives all mistakes of a syntactically broken file their places", async () => {
  const lines = await problemsOf("server:\n\tname: x\npools: [\nlisteners: }\n");
  assert.ok(lines.length >= 2);
  for (const line of lines) assert.match(line, /^\d+:\d+: found .* expected /);
});

Deno.test("loadConfig() says what is wrong with the file itself", async () => {
  const table: ReadonlyArray<readonly [string, RegExp]> = [
    ["", /^config\.yaml: the file is empty or holds only comments: expected `pools` and `listeners`$/],
    ["# nothing\n", /only comments/],
    ["a\ufffdb", /^config\.yaml: cannot read the configuration: it is not UTF-8 text$/],
    ["- a\n", /^config\.yaml:1:1: found a list expected a mapping with server, /],
    ["text\n", /^config\.yaml:1:1: found "text" expected a mapping with server, /],
    ["${NONE}\n", /^config\.yaml:1:1: found \$\{NONE\}/],
    ["~\n", /^config\.yaml:1:1: found nothing expected a mapping with server, /],
  ];
  for (const [text, expected] of table) {
    const result = await loadText(text);
    assert.ok(!result.ok, text);
    assert.match(result.problems.map(formatLocated)[0] ?? "", expected, text);
  }
});

Deno.test("loadConfig() reads real files: missing, a directory, not UTF-8, relative to the working directory", async () => {
  const cwd = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(cwd, "good.yaml"), SOUND.replace("https://one.example", '"${file:url}"'));
    await Deno.writeTextFile(join(cwd, "url"), "https://two.example\r\n");
    await Deno.writeFile(join(cwd, "latin1.yaml"), new Uint8Array([0x61, 0x3a, 0x20, 0xfc]));
    const deps = { readTextFile: readText, env: () => undefined, cores: 2, cwd };
    const message = async (path: string) => {
      const result = await loadConfig(path, deps);
      return result.ok ? result.config.pools[0]?.upstreams[0]?.url : result.problems.map(formatLocated).join("\n");
    };
    assert.equal(await message("good.yaml"), "https://two.example");
    assert.equal(await message("none.yaml"), "none.yaml: cannot read the configuration: there is no such file");
    assert.equal(await message("."), ".: cannot read the configuration: it is a directory");
    assert.equal(await message("latin1.yaml"), "latin1.yaml: cannot read the configuration: it is not UTF-8 text");
    const lossy = await loadConfig("latin1.yaml", { ...deps, readTextFile: (path) => Deno.readTextFile(path) });
    assert.ok(!lossy.ok);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("loadConfig() retypes what comes from outside, in every kind of value", async () => {
  const text = `server: { workers: "\${W}", name: "\${N}" }
cache: { memory: \${M}MiB, disk: \${D:-0}, background_fill: \${B} }
pools: { a: { type: "\${T:-custom}", upstreams: ["\${SCHEME:-https}://\${HOST}"], health: \${HEALTH} } }
listeners: [{ name: a, pool: a, cache: { rules: [{ status: "\${S}", ttl: "\${TTL}" }] } }]
`.replaceAll(/: (\$\{\w+(?::-\w*)?\}(?:MiB)?)/g, ': "$1"');
  const env = { W: "3", N: "007", M: "64", B: "false", HOST: "one.example", HEALTH: "false", S: "404", TTL: "0" };
  const config = await configOf(text, { env });
  assert.deepEqual([config.server.workers, config.server.name, config.cache.memoryBytes], [3, "007", 64 * 1024 ** 2]);
  assert.deepEqual([config.cache.diskBytes, config.cache.backgroundFill], [0, false]);
  assert.deepEqual([config.pools[0]?.upstreams[0]?.url, config.pools[0]?.health.enabled], [
    "https://one.example",
    false,
  ]);
  assert.deepEqual(config.listeners[0]?.cache.rules[0]?.status, [[404, 404]]);
  assert.equal(config.listeners[0]?.cache.rules[0]?.ttlMs, 0);
});

Deno.test("loadConfig() takes what comes to nothing as absent", async () => {
  const config = await configOf(`admin: { token: "\${TOKEN:-}" }\nserver: { name: "\${NAME:-}" }\ncache:\n${SOUND}`);
  assert.deepEqual([config.admin.tokens, config.server.name, config.cache.diskBytes], [[], "usher", 10 * 1024 ** 3]);
  const lines = await problemsOf(SOUND.replace("pool: a", 'pool: "${POOL:-}"'));
  assert.match(
    lines[0] ?? "",
    /^5:22 listeners\[0\]\.pool: found nothing \(\$\{POOL\} is empty\) expected a pool's name/,
  );
});

Deno.test("loadConfig() never shows a value that came from outside, wherever it is wrong", async () => {
  const secret = "hunter2-must-not-show";
  const lines = await problemsOf(
    `server: { name: "\${S} x", workers: "\${S}", data_dir: "\${S}\${NONE}", trusted_proxies: ["\${S}"], max_request_body: "\${S}" }
admin: { listen: "\${S}", token: "\${S} \${S}" }
logging: { level: "\${S}" }
cache: { memory: "\${S}", background_fill: "\${S}" }
pools:
  a:
    type: "\${S}"
    strategy: "\${S}"
    upstreams: ["\${S}", "https://u:\${S}@one.example", { url: "\${S}", weight: "\${S}", resolve: "\${S}", ca: "\${S}" }, "\${F}"]
    timeouts: "\${S}"
    health: { fields: { authorization: "\${file:/s}" , "\${S}": x }, status: "\${S}" }
    api_keys: ["\${S}", "\${file:/s}"]
    content_types: { allow: ["\${S}"] }
  b: "\${S}"
listeners:
  - { name: "\${S}", pool: "\${S}", listen: "\${S}", prefix: "\${S}", host: "\${S}" }
  - { name: "\${S}", pool: a, cache: { rules: [{ ttl: "\${S}" }, "\${S}"], query: "\${S}" } }
  - "\${S}"
`,
    { env: { S: secret, F: `https://${secret}@one.example` }, files: { "/s": `${secret}\n\0x` } },
  );
  assert.ok(lines.length > 25, lines.join("\n"));
  assert.doesNotMatch(lines.join("\n"), /hunter2/);
});

Deno.test("loadConfig() never shows a secret that stands in the file itself", async () => {
  const lines = await problemsOf(`admin: { token: "hunter2 hunter2", listen: 5 }
pools:
  a:
    type: tmdb-api
    api_keys: [hunter2, 2]
    upstreams: [https://u:hunter2@one.example]
    health: { fields: { authorization: [hunter2] } }
listeners: [{ name: a, pool: a }]
`);
  assert.equal(lines.length, 6, lines.join("\n"));
  assert.doesNotMatch(lines.join("\n"), /hunter2/);
});

Deno.test("loadConfig() takes anchors and merge keys", async () => {
  const config = await configOf(`
pools:
  a: &defaults
    type: custom
    timeouts: &slow { connect: 9s }
    upstreams: [https://one.example]
  b: { <<: *defaults, upstreams: [https://two.example] }
listeners:
  - &listener { name: a, pool: a }
  - { <<: *listener, name: b, prefix: /b, pool: b }
`);
  assert.deepEqual(config.pools.map(({ sending }) => sending.connectMs), [9000, 9000]);
  assert.deepEqual(config.listeners.map(({ name }) => name), ["a", "b"]);
});

Deno.test("loadConfig() gives a configuration, its warnings and its addresses", async () => {
  const result = await loadText(
    SOUND.replace("listeners:", "  b: { type: custom, upstreams: [https://b.example] }\nlisteners:"),
  );
  assert.ok(result.ok);
  assert.deepEqual(result.warnings.map(({ path }) => path), ["pools.b"]);
  assert.deepEqual(result.listening.map(({ address }) => formatListenAddress(address)), [
    "127.0.0.1:6636",
    "0.0.0.0:6635",
  ]);
});

Deno.test("loadConfig() reports mistakes of the tree, of the schema and of meaning together", async () => {
  const lines = await problemsOf(`server: { name: "\${NONE}", workers: 0 }\nadmin: { listen: ":1" }${SOUND}`);
  assert.deepEqual(lines.map((line) => /^\S+ (.*?): /.exec(line)?.[1]), [
    "server.name",
    "server.workers",
    "admin.listen",
  ]);
});

Deno.test("loadConfig() refuses unknown keys at every level", async () => {
  const odd = { odd: 1 };
  const lines = await problemsOf(JSON.stringify({
    ...odd,
    ...{ server: odd, admin: odd, logging: odd, cache: odd },
    pools: {
      a: {
        ...{ type: "custom", ...odd, timeouts: odd, retry: odd, health: odd, content_types: odd },
        upstreams: [{ url: "https://one.example", ...odd }],
      },
    },
    listeners: [{ name: "a", pool: "a", ...odd, cache: { ...odd, rules: [odd], query: odd } }],
  }));
  assert.equal(lines.length, 15);
  for (const line of lines) assert.match(line, /found unknown key "odd" expected one of /);
});

Deno.test("loadConfig() freezes all of a configuration, and structuredClone() carries it to a worker", async () => {
  const config = await configOf(SOUND);
  const thawed: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) return;
    if (!Object.isFrozen(value)) thawed.push(path);
    for (const [key, item] of Object.entries(value)) visit(item, `${path}.${key}`);
  };
  visit(config, "config");
  assert.deepEqual(thawed, []);
  assert.deepEqual(structuredClone(config), config);
});

/** Loads a text whose values come from files; also says which files were read. */
async function loadFrom(text: string) {
  const read: string[] = [];
  const result = await loadConfig("/config.yaml", {
    readTextFile(path) {
      read.push(path);
      if (path === "/config.yaml") return Promise.resolve(text);
      if (path === "/secret") return Promise.resolve("s3cret\n");
      return path === "/long" ? Promise.resolve("x".repeat(100_000)) : Promise.reject(new Deno.errors.NotFound());
    },
    env(name) {
      if (name === "FORBIDDEN") throw new Deno.errors.NotCapable("no");
      return undefined;
    },
    cores: 1,
    cwd: "/",
  });
  return { read: read.slice(1), problems: result.ok ? [] : result.problems.map(({ message }) => message) };
}

Deno.test("loadConfig() reads each file that values come from once, and says which cannot be used", async () => {
  const token = (name: string) => `"\${file:${name}}"`;
  const { read, problems } = await loadFrom(
    `server: { name: ${token("/secret")}, data_dir: ${token("/secret")} }
admin: { token: ${token("/long")} }
logging: { level: ${token("/none")} }${SOUND}`,
  );
  assert.deepEqual(read.sort(), ["/long", "/none", "/secret"]);
  assert.match(problems.join("\n"), /found \$\{file:\/long\} \(it is longer than 65536 characters\)/);
  assert.match(problems.join("\n"), /found \$\{file:\/none\} \(there is no such file\)/);
  assert.equal(problems.length, 2);
});

Deno.test("loadConfig() reads five hundred files at most", async () => {
  const names = Array.from({ length: 550 }, (_, index) => `"\${file:/f${index}}"`);
  const { read, problems } = await loadFrom(`server: { trusted_proxies: [${names.join(", ")}] }${SOUND}`);
  assert.equal(read.length, 500);
  assert.equal(problems.filter((problem) => problem.includes("one of more than 500 files")).length, 50);
});

Deno.test("loadConfig() takes a variable that may not be read as not set", async () => {
  const { problems } = await loadFrom(`server: { name: "\${FORBIDDEN}" }${SOUND}`);
  assert.match(problems.join(), /^found \$\{FORBIDDEN\}, which is not set/);
});

Deno.test("readText() reads UTF-8 and says why it cannot", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const file = (name: string) => join(directory, name);
    await Deno.writeTextFile(file("text"), "grüße\n");
    await Deno.writeFile(file("latin1"), new Uint8Array([0x61, 0xfc, 0x62]));
    await Deno.writeFile(file("full"), new Uint8Array(MAX_FILE_BYTES).fill(0x61));
    await Deno.writeFile(file("large"), new Uint8Array(MAX_FILE_BYTES + 1).fill(0x61));
    assert.equal(await readText(file("text")), "grüße\n");
    assert.equal((await readText(file("full"))).length, MAX_FILE_BYTES);
    const why = (name: string) => readText(file(name)).then(() => "read", explainReadError);
    assert.equal(await why("none"), "there is no such file");
    assert.equal(await why(""), "it is a directory");
    assert.equal(await why("latin1"), "it is not UTF-8 text");
    assert.equal(await why("large"), "it is larger than 4MiB");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("explainReadError() never shows more than it knows", () => {
  assert.equal(explainReadError(new UnusableFile("it is odd")), "it is odd");
  assert.match(explainReadError(new Deno.errors.NotCapable("x")), /--allow-read/);
  assert.match(explainReadError(new Deno.errors.PermissionDenied("x")), /this user/);
  assert.equal(explainReadError("x"), "it cannot be read");
});

const PYTHON = "/usr/bin/python3";

Deno.test({
  name: "readText() refuses a pipe, which it would wait at for ever",
  ignore: !await isThere(PYTHON),
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      const path = `${directory}/cert.pem`;
      const { success } = await new Deno.Command(PYTHON, {
        args: ["-c", "import os, sys; os.mkfifo(sys.argv[1])", path],
      }).output();
      assert.ok(success);
      await assert.rejects(readText(path), { name: "UnusableFile", message: "it is a pipe" });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

Deno.test("loadConfig() gives every address to listen on once, with its place", async () => {
  const result = await loadText(`admin: { listen: "[::1]:1" }
pools: { a: { type: custom, upstreams: [https://one.example] } }
listeners:
  - { name: a, pool: a }
  - { name: b, pool: a, prefix: /b, listen: "0.0.0.0:6635" }
  - { name: c, pool: a, listen: "127.0.0.1:2" }
`);
  assert.ok(result.ok);
  const found = result.listening.map((
    place,
  ) => [formatListenAddress(place.address), place.line, place.path, place.found]);
  assert.deepEqual(found, [
    ["[::1]:1", 1, "admin.listen", '"[::1]:1"'],
    ["0.0.0.0:6635", 4, "listeners[0].listen", "0.0.0.0:6635 (the default)"],
    ["127.0.0.1:2", 6, "listeners[2].listen", '"127.0.0.1:2"'],
  ]);
});
