import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT_URL } from "../house/syntax.ts";
import { type CommandResult, runMain } from "./_command.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "./_gateway.ts";

const TOKEN = "operators-0123456789abcdef";

/** A gateway that was started as the page says, in a place that the page does not know of. */
interface Started {
  readonly config: string;
  readonly dataDir: string;
  readonly url: string;
  readonly ports: readonly [port: number, adminPort: number];
  log(): string;
  /** Runs a task of `deno.json` to its end. */
  task(name: string, ...args: string[]): Promise<CommandResult>;
  write(text: string): Promise<void>;
  ended(): Promise<number>;
}

function environment(directory: string): Record<string, string> {
  // The record of a run lies where a user's session has its own.
  return { NO_COLOR: "1", USHER_RUN_DIR: join(directory, "session"), OPERATOR_TOKEN: TOKEN };
}

async function runTask(name: string, args: readonly string[], env: Record<string, string>): Promise<CommandResult> {
  const command = new Deno.Command(Deno.execPath(), { args: ["task", "--quiet", name, ...args], cwd: ROOT_URL, env });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

function yaml({ dataDir, ports: [port, adminPort] }: Pick<Started, "dataDir" | "ports">, origin: string): string {
  return `server: { data_dir: ${JSON.stringify(dataDir)}, workers: 2 }
admin: { listen: "127.0.0.1:${adminPort}", token: "\${OPERATOR_TOKEN}" }
logging: { access: off, level: info, format: text }
cache: { memory: 16MiB, disk: 64MiB }
pools: { one: { type: custom, health: false, upstreams: ["${origin}"] } }
listeners: [{ name: one, listen: "127.0.0.1:${port}", pool: one }]
`;
}

/** Starts it with `deno task start`, with nothing but a configuration. */
async function startTask(directory: string, origin: string): Promise<Started> {
  const places = {
    dataDir: join(directory, "some where", "else, deep"),
    ports: [freePort(), freePort()] as [number, number],
  };
  const config = join(directory, "gateway.yaml");
  await Deno.writeTextFile(config, yaml(places, origin));
  const env = environment(directory);
  const child = new Deno.Command(Deno.execPath(), {
    ...{ args: ["task", "--quiet", "start", "--config", config], cwd: ROOT_URL, env },
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  let text = "";
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
  };
  const drained = Promise.all([read(child.stdout), read(child.stderr)]);
  const ended = async () => {
    const { code } = await child.status;
    await drained;
    return code;
  };
  await eventually("it is ready", () => text.includes("Usher is ready"));
  return {
    ...{ config, ...places, url: `http://127.0.0.1:${places.ports[0]}`, log: () => text, ended },
    task: (name, ...args) => runTask(name, [...args, "--config", config], env),
    write: (changed) => Deno.writeTextFile(config, changed),
  };
}

/** Ways in which a file can be wrong that a running gateway does not care for. */
const WRONG: Readonly<Record<string, (sound: string) => string>> = {
  "half a file": (sound) => sound.slice(0, sound.indexOf("pools:") + 9),
  "no YAML at all": () => "{{{ [ \u0000 : : admin: - {",
  "an empty file": () => "",
  "an unknown key": (sound) => `${sound}lisners: []\n`,
  "an unset variable": (sound) => sound.replace("OPERATOR_TOKEN", "OPERATOR_TOKEN_OF_NOBODY"),
  "another admin address": (sound) =>
    sound.replace(/listen: "127\.0\.0\.1:\d+", token/, 'listen: "127.0.0.1:1", token'),
};

Deno.test("D1, D2, D3, D4: a gateway that `deno task start` runs, and every command that speaks to it", async (t) => {
  await using stack = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  let asked = 0;
  const origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    asked++;
    return new Response("stored", { headers: { "cache-control": "max-age=600" } });
  });
  stack.defer(() => origin.shutdown());
  const originUrl = `http://127.0.0.1:${origin.addr.port}`;
  const gateway = await startTask(directory, originUrl);
  let running = true;
  stack.defer(async () => void (running && await gateway.task("stop")));
  const sound = await Deno.readTextFile(gateway.config);
  const get = async (path: string) => await (await fetch(`${gateway.url}${path}`)).text();

  await t.step("D1: data_dir may be anywhere: the disk tier works, in every worker", async () => {
    for (let request = 0; request < 8; request++) assert.equal(await get("/kept"), "stored");
    assert.equal(asked, 1);
    assert.ok((await Deno.stat(join(gateway.dataDir, "usher.kv"))).isFile);
    const { stdout } = await gateway.task("status", "--json");
    const { cache } = JSON.parse(stdout);
    assert.equal(cache.disk_problem, null);
    assert.equal(cache.disk.limitBytes, 64 * 1024 ** 2);
    assert.doesNotMatch(gateway.log(), /WARN|ERROR/);
  });

  await t.step("D2: check does not take the gateway's own ports for a mistake, of its file and of a copy", async () => {
    const copy = join(directory, "next.yaml");
    await Deno.writeTextFile(copy, sound.replace("${OPERATOR_TOKEN}", "another-token-0123456789"));
    const { code, stdout } = await gateway.task("usher", "check");
    assert.equal(code, 0, stdout);
    assert.match(stdout, /is valid: 1 listener, 1 pool, 1 upstream\nThe ports in use are those of the gateway/);
    const env = environment(directory);
    assert.equal((await runTask("check", ["--config", copy], env)).code, 0);
    // Another gateway beside it may not have its ports.
    await Deno.writeTextFile(copy, sound.replace(`:${gateway.ports[1]}`, `:${freePort()}`));
    const beside = await runTask("check", ["--config", copy], env);
    assert.equal(beside.code, 1);
    assert.match(
      beside.stdout,
      new RegExp(`next\\.yaml:6:\\d+ listeners\\[0\\]\\.listen: .*:${gateway.ports[0]}.* expected a free port`),
    );
  });

  await t.step("D2: status, reload, purge and prewarm know address and token", async () => {
    const status = await gateway.task("status");
    assert.equal(status.code, 0, status.stderr);
    assert.match(status.stdout, /^Usher \d[\w.]*, process \d+, up /);
    assert.match(status.stdout, new RegExp(`one +127\\.0\\.0\\.1:${gateway.ports[0]} +/ +pool one`));
    const purged = await gateway.task("purge", "--url", `${gateway.url}/kept`, "--hard");
    assert.match(purged.stdout, /^Purged url/, purged.stderr);
    assert.equal(await get("/kept"), "stored");
    assert.equal(asked, 2);
    const prewarmed = await gateway.task("prewarm", "--listener", "one", `${gateway.url}/warm`);
    assert.match(prewarmed.stdout, /done: 1 of 1, 1 fetched/, prewarmed.stderr);
    const reloaded = await gateway.task("reload");
    assert.deepEqual([reloaded.code, reloaded.stdout], [0, "Reloaded: configuration 2 since the start is in force\n"]);
    await gateway.write(sound.replace("level: info", "level: warn"));
    const tried = await gateway.task("reload", "--dry-run");
    assert.match(tried.stdout, /^logging\.level: info → warn\nNothing was changed/, tried.stderr);
    await gateway.write(WRONG["an unknown key"]!(sound));
    const refused = await gateway.task("reload", "--dry-run");
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.match(refused.stderr, /gateway\.yaml:\d+:\d+ .*\nIt would not be reloaded\n$/);
    await gateway.write(sound);
    const config = await gateway.task("api", "/config");
    const { generation, last_error } = JSON.parse(config.stdout);
    assert.deepEqual([generation, last_error], [2, null], "what is tried out leaves no trace");
    const explained = await gateway.task("api", "/explain", JSON.stringify({ url: `${gateway.url}/kept` }));
    assert.equal(JSON.parse(explained.stdout).served[0].listener, "one");
    const nothing = await gateway.task("api", "DELETE", "/jobs/prewarm/one");
    assert.match(nothing.stderr, /^The gateway refused \(404\): No prewarm of "one" is under way/);
    assert.equal((await gateway.task("api", "config")).code, 2);
  });

  await t.step("D2: doctor and a second start know the gateway too", async () => {
    const { stdout } = await gateway.task("doctor");
    for (const port of gateway.ports) {
      assert.match(stdout, new RegExp(`ok +port +127\\.0\\.0\\.1:${port} is in use by the`));
    }
    const again = await gateway.task("start");
    assert.equal(again.code, 1);
    assert.match(
      again.stderr,
      /expected a free port[^]*Usher cannot start: 2 problems[^]*\nProcess \d+ was started with this/,
    );
  });

  await t.step(
    "D1: a reload adds unix sockets where workers may write, and says where a restart is needed",
    async () => {
      const withSocket = (path: string) =>
        sound.replace(
          /^listeners: \[(.*)\]$/m,
          (_, one) =>
            `listeners:\n  - ${one}\n  - { name: socket, listen: { unix: ${JSON.stringify(path)} }, pool: one }`,
        );
      await gateway.write(withSocket(join(gateway.dataDir, "usher.sock")));
      const added = await gateway.task("reload");
      assert.equal(added.code, 0, added.stderr);
      (await Deno.connect({ transport: "unix", path: join(gateway.dataDir, "usher.sock") })).close();
      await gateway.write(withSocket(join(directory, "usher.sock")));
      const { code, stderr } = await gateway.task("reload");
      assert.equal(code, 1);
      assert.ok(stderr.includes(`A unix socket in ${directory} needs a restart`), stderr);
      await gateway.write(sound);
      assert.equal((await gateway.task("reload")).code, 0);
    },
  );

  await t.step(
    "D2: a token that is changed in the file locks nobody out, and what needs a restart is said",
    async () => {
      await gateway.write(
        sound.replace("${OPERATOR_TOKEN}", "rotated-0123456789abcdef").replace("workers: 2", "workers: 1"),
      );
      const { code, stdout, stderr } = await gateway.task("reload");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^server\.workers has changed: it takes effect at the next start$/m);
      const old = await fetch(`http://127.0.0.1:${gateway.ports[1]}/status`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      assert.equal(old.status, 401);
      await old.body?.cancel();
      assert.equal((await gateway.task("status")).code, 0);
      await gateway.write(sound);
      assert.equal((await gateway.task("reload")).code, 0);
    },
  );

  await t.step(
    "D4: a reload changes the log's level and format in every worker; debug says what was decided",
    async () => {
      await gateway.write(sound.replace("level: info, format: text", "level: debug, format: json"));
      assert.equal((await gateway.task("reload")).code, 0);
      await get("/debugged?n=1");
      const line = (message: string) =>
        gateway.log().split("\n").find((each) => each.includes(`"message":"${message}"`)) ?? null;
      await eventually("a worker says so", () => line("A request was served") !== null);
      const served = JSON.parse(line("A request was served")!);
      assert.match(served.worker, /^serving-\d$/);
      assert.deepEqual(
        [served.level, served.key.split(" ").at(-1), served.result, served.fwd, served.upstream, served.tries],
        ["debug", "/debugged?n=1", "miss", "uri-miss", originUrl, 1],
      );
      assert.equal(JSON.parse(line("The new configuration differs")!).others, "~logging");
      await gateway.write(sound.replace("level: info", "level: error"));
      assert.equal((await gateway.task("reload")).code, 0);
      const before = gateway.log().length;
      await get("/silent");
      await gateway.write(sound);
      assert.equal((await gateway.task("reload")).code, 0);
      // Audit lines are written at every level.
      const since = () => gateway.log().slice(before).split("\n").filter((each) => !/\baudit\b/.test(each)).join("\n");
      await eventually("it is said", () => /Configuration reloaded.*\n/.test(since()));
      assert.match(since(), /^\S+Z INFO +Configuration reloaded generation=\d+ file=.*\n$/);
    },
  );

  await t.step("D3: health asks the gateway, whatever the file says now", async () => {
    const env = environment(directory);
    for (const [what, change] of Object.entries(WRONG)) {
      await gateway.write(change(sound));
      const { code, stdout, stderr } = await runMain(["health", "--config", gateway.config], { env });
      assert.deepEqual([code, stdout], [0, '{"status":"ready"}\n'], `${what}: ${stderr}`);
    }
    assert.equal((await gateway.task("status")).code, 0);
    const refused = await gateway.task("reload");
    assert.equal(refused.code, 0, "another admin address is one for the next start");
    await gateway.write(WRONG["an unknown key"]!(sound));
    const { code, stderr } = await gateway.task("reload");
    assert.equal(code, 1);
    assert.match(stderr, /gateway\.yaml:7:1 lisners: .*"listeners"[^]*Not reloaded: the configuration before stays/);
    await Deno.remove(gateway.config);
    assert.equal((await gateway.task("health")).code, 0);
    assert.equal(await get("/kept"), "stored");
  });

  await t.step("D2: stop waits until the gateway has stopped; then nobody is there", async () => {
    const { code, stdout, stderr } = await gateway.task("usher", "stop");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^The gateway \(process \d+\) has stopped$/m);
    running = false;
    assert.equal(await gateway.ended(), 0);
    await gateway.write(sound);
    for (const name of ["health", "stop"]) {
      const after = await gateway.task(name);
      assert.equal(after.code, 1, name);
      assert.match(
        after.stderr,
        new RegExp(`^No gateway answers at http://127\\.0\\.0\\.1:${gateway.ports[1]}: `),
        name,
      );
    }
    assert.deepEqual([...Deno.readDirSync(join(directory, "session"))], [], "its record is gone");
    assert.equal((await gateway.task("check")).code, 0);
  });
});
