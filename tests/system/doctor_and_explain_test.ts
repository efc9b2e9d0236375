import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT_URL } from "../house/syntax.ts";
import { startTmdbOrigin } from "../origins/tmdb_origin.ts";
import { type CommandResult, runMain } from "./_command.ts";
import { fetched, freePort, startGateway } from "./_gateway.ts";

const KEY = "0123456789abcdef0123456789abcdef";

/** Runs a task's own command with arguments: under the permissions that `deno.json` gives it. */
async function runTask(name: string, args: readonly string[]): Promise<CommandResult> {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT_URL)));
  const [program, ...words] = tasks[name].command.split(" ");
  assert.equal(program, "deno");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...words, ...args],
    cwd: ROOT_URL,
    env: { NO_COLOR: "1" },
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

async function withConfig(text: string, work: (file: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    const file = join(directory, "config.yaml");
    await Deno.writeTextFile(file, text);
    await work(file);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const API = (url: string) =>
  `server: { data_dir: ./data/${crypto.randomUUID()}, workers: 1 }
cache: { disk: 0, memory: 1MiB, fill_memory: 1MiB }
admin: { listen: "127.0.0.1:${freePort()}" }
pools: { api: { type: tmdb-api, api_keys: [${KEY}], upstreams: ["${url}"] } }
listeners:
  - name: api
    listen: "127.0.0.1:${freePort()}"
    prefix: /3
    pool: api
    cache: { rules: [{ path: /3/movie/*, ttl: 1h }] }
`;

Deno.test("explain needs no network, shows no key and names the rule's line", () =>
  withConfig(API("https://api.example"), async (file) => {
    const { code, stdout, stderr } = await runTask("explain", ["--config", file, "/3/movie/550?session=1&language=de"]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /takes it {2}api/);
    assert.match(stdout, /rule 1, line 10/);
    assert.match(stdout, /language=de&api_key=<key 1 of 1>/);
    assert.equal((stdout + stderr).includes(KEY), false);
    for (const line of stdout.split("\n")) assert.ok(line.length <= 100, line);
    const none = await runTask("explain", ["--config", file, "/4/list/1"]);
    assert.equal(none.code, 1);
    assert.match(none.stdout, /No listener takes it/);
    const json = JSON.parse((await runTask("explain", ["--config", file, "--json", "/3/movie/550"])).stdout);
    assert.equal(json.served[0].class, "details");
  }));

Deno.test("explain and doctor end with 2 for a command line that they do not understand", () =>
  withConfig(API("https://api.example"), async (file) => {
    const lines = [
      ["explain", "--config", file],
      ["explain", "--config", file, "/3", "/4"],
      ["explain", "--config", file, "api.example/3"],
      ["explain", "--config", file, "-H", "nonsense", "/3"],
      ["doctor", "--config", file, "--timeout", "soon"],
      ["doctor", "--config", file, "--pool", "apj"],
      ["doctor", "--config", file, "--nonsense"],
      ["doctor", "--config", file, "extra"],
    ];
    for (const args of lines) {
      const { code, stdout, stderr } = await runMain(args);
      assert.deepEqual([code, stdout], [2, ""], args.join(" "));
      assert.match(stderr, /usage: usher (explain|doctor)/);
    }
    assert.match((await runMain(["doctor", "--config", file, "--pool", "apj"])).stderr, /did you mean "api"/);
    const broken = await runMain(["doctor", "--config", `${file}.not`]);
    assert.equal(broken.code, 1);
  }));

Deno.test("doctor ends with 0 where all is well, and with 1 where something fails, and shows no key", async () => {
  const origin = await startTmdbOrigin();
  try {
    await withConfig(API(origin.url), async (file) => {
      const { code, stdout, stderr } = await runTask("doctor", ["--config", file, "--timeout", "30s"]);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /ok {4}http +GET \/3\/configuration: 200 in/);
      assert.match(stdout, /ok {4}key 1 +valid/);
      assert.match(stdout, /All is well/);
      assert.equal((stdout + stderr).includes(KEY), false);
      for (const line of stdout.split("\n").filter((line) => !line.includes(file))) assert.ok(line.length <= 100, line);
    });
    await withConfig(API(`http://127.0.0.1:${freePort()}`), async (file) => {
      const { code, stdout } = await runTask("doctor", ["--config", file, "--json"]);
      assert.equal(code, 1);
      const { pools, summary } = JSON.parse(stdout);
      assert.equal(pools[0].upstreams[0].findings[0].state, "fail");
      assert.ok(summary.fail >= 1);
    });
  } finally {
    await origin.close();
  }
});

Deno.test("doctor leaves a gateway that runs alone, and explain says what that gateway then does", async () => {
  const origin = await startTmdbOrigin();
  const gateway = await startGateway({
    config: ({ dataDir, port, adminPort }) =>
      `server: { workers: 1, data_dir: ${JSON.stringify(dataDir)} }
admin: { listen: "127.0.0.1:${adminPort}" }
pools: { api: { type: tmdb-api, api_keys: [${KEY}], upstreams: ["${origin.url}"] } }
listeners: [{ name: api, listen: "127.0.0.1:${port}", prefix: /3, pool: api }]
`,
  });
  try {
    const file = gateway.configPath;
    const { stdout } = await runMain(["doctor", "--config", file, "--timeout", "30s"]);
    assert.match(stdout, /kv +usher\.kv is in use by the gateway that runs/);
    assert.match(stdout, /port +127\.0\.0\.1:\d+ is in use by the gateway that runs/);
    const { served: [served] } = JSON.parse(
      (await runMain(["explain", "--json", "--config", file, `${gateway.url}/3/movie/550?language=de`])).stdout,
    );
    const { cacheStatus } = await fetched(`${gateway.url}/3/movie/550?language=de`);
    const withoutTime = (status: string) => status.replace(/ttl=\d+/, "ttl");
    assert.equal(withoutTime(cacheStatus), withoutTime(served.cache.answers[0].sent_cache_status));
  } finally {
    await gateway.close();
    await origin.close();
  }
});
