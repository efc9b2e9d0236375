import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT_URL } from "../house/syntax.ts";
import { mainCommand, runMain, runMany } from "./_command.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "./_gateway.ts";

/** Debian's: it starts a program with another standard output. */
const PYTHON = "/usr/bin/python3";
const hasPython = (() => {
  try {
    return Deno.lstatSync(PYTHON) !== null;
  } catch {
    return false;
  }
})();

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
const PLACES = ["2:12", "3:3", "5:11", "8:11", "9:17", "12:26", "15:18", "16:13", "16:36", "17:24"];

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("check and start print ten located lines for ten mistakes and end with 1", () =>
  inDirectory(async (directory) => {
    const file = join(directory, "ten.yaml");
    await Deno.writeTextFile(file, TEN_MISTAKES);
    for (const command of ["check", "start"]) {
      const { code, stdout, stderr } = await runMain([command, "--config", file]);
      assert.equal(code, 1, command);
      const lines = (command === "check" ? stdout : stderr).split("\n").filter((line) => line.startsWith(`${file}:`));
      assert.deepEqual(
        lines.map((line) => line.slice(file.length + 1).split(": ")[0]!.split(" ")[0]),
        PLACES,
      );
      for (const line of lines) assert.match(line, / found .* expected /);
      assert.doesNotMatch(stdout + stderr, /\bat file:|Uncaught/);
    }
  }));

Deno.test("schema prints the committed config.schema.json", async () => {
  const { code, stdout } = await runMain(["schema"]);
  assert.equal(code, 0);
  assert.equal(stdout, await Deno.readTextFile(new URL("config.schema.json", ROOT_URL)));
});

const COMMANDS = [
  ...["start", "check", "health", "status", "reload", "stop", "purge", "prewarm", "explain", "doctor", "migrate-env"],
  ...["schema", "reference", "version", "help"],
];

Deno.test("D5: every command has --help and --version, and help names them all", async () => {
  const lines = COMMANDS.flatMap((name) => [
    ...[[name, "--help"], [name, "-h"], ["help", name], [name, "--config", "none.yaml", "--nonsense", "--help"]],
    ...[[name, "--version"], [name, "-V"]],
  ]);
  const overviews = [[], ["help"], ["--help"], ["-h"], ["--nonsense", "--help"]];
  const versions = [["version"], ["--version"], ["-V"]];
  const results = await runMany([...lines, ...overviews, ...versions]);
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT_URL)));
  for (const [at, { code, stdout, stderr }] of results.entries()) {
    const args = [...lines, ...overviews, ...versions][at]!;
    assert.deepEqual([code, stderr], [0, ""], args.join(" "));
    const isVersion = args.some((arg) => arg === "--version" || arg === "-V") || (args[0] === "version" && !args[1]);
    if (isVersion) assert.equal(stdout, `${version}\n`, args.join(" "));
    else if (at < lines.length) {
      const name = args[0] === "help" && args[1] !== undefined && !args[1].startsWith("-") ? args[1] : args[0];
      assert.match(stdout, new RegExp(`^usage: usher ${name}\\b`), args.join(" "));
    } else {
      assert.match(stdout, /usage: usher COMMAND/);
      for (const name of COMMANDS) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
    }
  }
});

Deno.test("D5: a command line that is wrong ends with 2, whatever the command, and says how it is to be", async () => {
  const wrong: [line: string, said: RegExp][] = [
    ["fly", /There is no command "fly"\n/],
    ["chekc", /did you mean "check"\?/],
    ["Start", /did you mean "start"\?/],
    ["migrate_env", /did you mean "migrate-env"\?/],
    ["perge --all", /did you mean "purge"\?/],
    ["help expalin", /did you mean "explain"\?/],
    ["toString", /There is no command "toString"/],
    ["--vresion", /There is no option "--vresion"; did you mean "--version"\?/],
    ["start --confg x", /did you mean "--config"\?/],
    ["start --config=x extra", /Unexpected argument "extra"/],
    ["start --config", /--config/],
    ["start --config=", /--config wants a value, found ""/],
    ["--config x", /^Say which command\n/],
    ["check extra", /Unexpected argument "extra"/],
    ["check --skip-ports=1", /--skip-ports/],
    ["check -- --help", /Unexpected argument "--help"/],
    ["health now", /Unexpected argument "now"/],
    ["health --admin 127.0.0.1:6636", /--admin wants a URL/],
    ["health --admin http://", /--admin wants a URL/],
    ["status --token=", /--token wants a value, found ""/],
    ["status --jsno", /did you mean "--json"\?/],
    ["reload config.yaml", /Unexpected argument "config.yaml"/],
    ["stop --admin nowhere", /--admin wants a URL/],
    ["purge", /--url.*--all/],
    ["purge --hard", /--url.*--all/],
    ["purge /3/movie/550", /Unexpected argument/],
    ["purge --all --admin 127.0.0.1:6636", /--admin wants a URL/],
    ["prewarm", /--listener/],
    ["prewarm --listener api --rate fast", /--rate wants a number above 0, found "fast"/],
    ["prewarm --listener api --concurrency 0", /--concurrency wants a number above 0/],
    ["prewarm --listener api --client kodi", /--client is for a library: give --nfo or --ids/],
    ["prewarm --listener api --nfo . /3/movie/550", /either a library, or paths/],
    ["prewarm --listener api --nfo tests/house --client plex", /There is no client "plex"; there are jellyfin, kodi/],
    ["prewarm --listener api --nfo tests/house --images i", /--images needs --client/],
    ["explain", /There is no URL/],
    ["explain /3 /4", /Unexpected argument "\/4"/],
    ["doctor --timeout soon", /--timeout wants a duration/],
    ["migrate-env one two", /Unexpected argument "two"/],
    ["migrate-env one --from-env", /Give one source/],
    ["schema --pretty", /There is no option "--pretty"/],
    ["reference x", /Unexpected argument "x"/],
    ["version x", /Unexpected argument "x"/],
  ];
  const results = await runMany(wrong.map(([line]) => line.split(" ")));
  for (const [at, [line, said]] of wrong.entries()) {
    const { code, stdout, stderr } = results[at]!;
    assert.deepEqual([code, stdout], [2, ""], line);
    assert.match(stderr, said, line);
    assert.match(stderr, /^usage: usher /m, line);
    assert.doesNotMatch(stderr, /\bat file:|Uncaught/, line);
  }
});

Deno.test("D5: where the reader of the output leaves (`| head`) a command ends silently, with its own exit status", () =>
  inDirectory(async (directory) => {
    const file = join(directory, "many.yaml");
    await Deno.writeTextFile(file, Array.from({ length: 3_000 }, (_, at) => `key_number_${at}: 1\n`).join(""));
    for (const [args, status] of [[["schema"], 0], [["reference"], 0], [["check", "--config", file], 1]] as const) {
      const child = mainCommand(args).spawn();
      const reader = child.stdout.getReader();
      assert.ok((await reader.read()).value!.length > 0);
      await reader.cancel();
      const [{ code }, stderr] = await Promise.all([child.status, child.stderr.bytes()]);
      assert.deepEqual([code, new TextDecoder().decode(stderr)], [status, ""], args.join(" "));
    }
  }));

Deno.test({
  name: "D5: a full disk is not a reader that has left: the command says so and ends with 1",
  ignore: Deno.build.os !== "linux" || !hasPython,
  fn: async () => {
    const onFullDisk =
      "import os, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); os.execv(sys.argv[1], sys.argv[1:])";
    for (const command of ["schema", "version"]) {
      const { code, stderr } = await new Deno.Command(PYTHON, {
        args: [
          "-c",
          onFullDisk,
          Deno.execPath(),
          "run",
          "--no-prompt",
          "--allow-read",
          "--allow-env",
          "main.ts",
          command,
        ],
        cwd: ROOT_URL,
        env: { NO_COLOR: "1" },
      }).output();
      assert.equal(code, 1, command);
      assert.match(
        new TextDecoder().decode(stderr),
        /^What was printed is lost: No space left on device.*\n$/,
        command,
      );
    }
  },
});

Deno.test("D2: a command that meets another program in the gateway's place says so", async () => {
  const answers = [
    () => Response.json({ id: 550 }),
    () => new Response("<html>Not here</html>", { status: 501 }),
    () => Response.json({ success: false, status_code: 34 }, { status: 404 }),
    () => new Response(null, { status: 204 }),
  ];
  for (const answer of answers) {
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
    const admin = `http://127.0.0.1:${server.addr.port}`;
    const { status } = answer();
    const commands = status === 200
      ? [["status"]]
      : [["status"], ["reload"], ["stop"], ["purge", "--all"], ["prewarm", "--listener", "one", "/x"]];
    const results = await runMany(commands.map((command) => [...command, "--admin", admin]));
    for (const [at, result] of results.entries()) {
      const said = `What answers at ${admin} is no gateway (${status})\n`;
      assert.deepEqual(result, { code: 1, stdout: "", stderr: said }, commands[at]!.join(" "));
    }
  }
});

Deno.test("a file that is missing, a directory or not UTF-8 is named, without a stack", () =>
  inDirectory(async (directory) => {
    const binary = join(directory, "binary.yaml");
    await Deno.writeFile(binary, Uint8Array.from([0xff, 0xfe, 0x00]));
    for (const path of [join(directory, "none.yaml"), directory, binary]) {
      for (const command of ["check", "start"]) {
        const { code, stdout, stderr } = await runMain([command, "--config", path]);
        assert.equal(code, 1);
        assert.ok((stdout + stderr).includes(path), stdout + stderr);
        assert.doesNotMatch(stdout + stderr, /\bat file:|Uncaught/);
      }
    }
  }));

Deno.test("a port in use is reported with its place by check and start", () =>
  inDirectory(async (directory) => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr as Deno.NetAddr;
    const file = join(directory, "config.yaml");
    await Deno.writeTextFile(
      file,
      `server: { data_dir: ${JSON.stringify(join(directory, "data"))} }
admin: { listen: "127.0.0.1:${freePort()}" }
pools: { one: { type: custom, upstreams: [http://127.0.0.1:9] } }
listeners:
  - { name: one, listen: "127.0.0.1:${port}", pool: one }
`,
    );
    for (const command of ["check", "start"]) {
      const { code, stdout, stderr } = await runMain([command, "--config", file]);
      assert.equal(code, 1, command);
      assert.match(stdout + stderr, new RegExp(`config\\.yaml:5:\\d+.*127\\.0\\.0\\.1:${port}`));
    }
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["config.yaml"], "nothing was begun");
  }));

Deno.test("start takes config.example.yaml where there is no config.yaml, and says so", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(
      join(directory, "config.example.yaml"),
      `server: { workers: 1 }
admin: { listen: "127.0.0.1:${freePort()}" }
pools: { one: { type: custom, health: false, upstreams: [http://127.0.0.1:9] } }
listeners: [{ name: one, listen: "127.0.0.1:${freePort()}", pool: one }]
`,
    );
    const child = mainCommand(["start"], { cwd: directory }).spawn();
    let text = "";
    const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
    };
    const drained = Promise.all([read(child.stdout), read(child.stderr)]);
    await eventually("it is ready", () => text.includes("Usher is ready"));
    assert.match(text, /There is no config\.yaml: using config\.example\.yaml/);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
    await drained;
    assert.ok((await Deno.stat(join(directory, "data/usher.kv"))).isFile);
  }));

const hasIpv6 = (() => {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
})();

Deno.test({
  name:
    "D5, D7: a configuration from standard input, [::1] in URLs, addresses without ::ffff:, OTEL_DENO, the last line",
  ignore: !hasIpv6,
  fn: () => inDirectory(gatewayFromStandardInput),
});

async function gatewayFromStandardInput(directory: string): Promise<void> {
  const [port, adminPort] = [freePort(), freePort()];
  const yaml = `server:
  workers: 1
  data_dir: ${JSON.stringify(join(directory, "data"))}
  trusted_proxies: ["::1"]
admin: { listen: "[::1]:${adminPort}" }
logging: { access: all }
pools: { one: { type: custom, health: false, upstreams: ["http://127.0.0.1:9"] } }
listeners: [{ name: one, listen: "[::]:${port}", pool: one }]
`;
  const file = join(directory, "config.yaml");
  await Deno.writeTextFile(file, yaml);
  // Telemetry goes to standard error here, and nowhere else.
  const env = { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console" };
  const child = mainCommand(["start", "--config", "-"], { cwd: directory, env, stdin: "piped" }).spawn();
  await write(child, yaml);
  let text = "";
  const drained = Promise.all([
    (async () => {
      for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) text += part;
    })(),
    child.stderr.text(),
  ]);
  await eventually("it is ready", () => text.includes("Usher is ready"));
  assert.ok(text.includes(`Listening listener=one address=[::]:${port}`), text);
  assert.ok(text.includes(`admin=http://[::1]:${adminPort}/status`), text);
  assert.match(text, / WARN {2}OTEL_DENO is set: .*tokens/);

  const health = await runMain(["health", "--config", file]);
  assert.deepEqual([health.code, health.stderr], [0, ""]);
  const purge = mainCommand(["purge", "--all", "--config", "-"], { stdin: "piped" }).spawn();
  await write(purge, yaml);
  assert.match(
    await purge.output().then(({ stdout }) => new TextDecoder().decode(stdout)),
    /^Purged everything of all/,
  );

  const asked = [
    [`http://127.0.0.1:${port}/four`, undefined, "127.0.0.1"],
    [`http://[::1]:${port}/said`, "::ffff:203.0.113.7", "203.0.113.7"],
    [`http://[::1]:${port}/shout`, "::FFFF:203.0.113.8", "203.0.113.8"],
    [`http://[::1]:${port}/hex`, "::ffff:cb00:7109", "203.0.113.9"],
    [`http://[::1]:${port}/long`, "0:0:0:0:0:ffff:203.0.113.10", "203.0.113.10"],
    [`http://[::1]:${port}/port`, "[::ffff:203.0.113.11]:4711", "203.0.113.11"],
    [`http://[::1]:${port}/six`, "2001:db8::7", "2001:db8::7"],
  ] as const;
  for (const [url, said] of asked) {
    const response = await fetch(url, { headers: said === undefined ? {} : { "x-forwarded-for": said } });
    assert.equal(response.status, 502);
    await response.body?.cancel();
  }
  for (const [url, , client] of asked) {
    const line = new RegExp(`client=${RegExp.escape(client)} .* target=${new URL(url).pathname} `);
    await eventually(String(line), () => line.test(text));
  }
  assert.doesNotMatch(text, /::ffff:/i);

  child.kill("SIGHUP");
  await eventually("it takes the same text again", () => /Configuration reloaded .*generation=2/.test(text));
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  await drained;
  assert.match(text, /Usher has stopped, 0 requests finished cut=0 since_start=7\n$/);
}

async function write(child: Deno.ChildProcess, text: string): Promise<void> {
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
}

Deno.test("D5: of two gateways from standard input a command finds the one whose configuration it is given", () =>
  inDirectory(async (directory) => {
    const env = { USHER_RUN_DIR: join(directory, "run") };
    const start = async (name: string) => {
      const yaml = `server: { workers: 1, data_dir: ${JSON.stringify(join(directory, name))} }
admin: { listen: "127.0.0.1:${freePort()}" }
pools: { one: { type: custom, health: false, upstreams: ["http://127.0.0.1:9"] } }
listeners: [{ name: one, listen: "127.0.0.1:${freePort()}", pool: one }]
`;
      const child = mainCommand(["start", "--config", "-"], { cwd: directory, env, stdin: "piped" }).spawn();
      await write(child, yaml);
      let text = "";
      const drained = (async () => {
        for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) text += part;
      })();
      await eventually("it is ready", () => text.includes("Usher is ready"));
      return { yaml, child, drained: Promise.all([drained, child.stderr.text()]) };
    };
    const gateways = [await start("one"), await start("two")];
    for (const { yaml, child, drained } of gateways) {
      const stop = mainCommand(["stop", "--config", "-"], { cwd: directory, env, stdin: "piped" }).spawn();
      await write(stop, yaml);
      const { stdout } = await stop.output();
      assert.equal(new TextDecoder().decode(stdout), `The gateway (process ${child.pid}) has stopped\n`);
      assert.equal((await child.status).code, 0);
      await drained;
    }
  }));

Deno.test("D5: what is wrong with a configuration from standard input has its place", async () => {
  const check = mainCommand(["check", "--config", "-"], { stdin: "piped" }).spawn();
  await write(check, "pools: {}\nlisteners:\n  - { nam: x }\n");
  const { code, stdout } = await check.output();
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stdout), /^standard input:3:\d+/m);
  const binary = mainCommand(["check", "-c", "-"], { stdin: "piped" }).spawn();
  const writer = binary.stdin.getWriter();
  await writer.write(Uint8Array.from([0xff, 0xfe, 0]));
  await writer.close();
  assert.match(new TextDecoder().decode((await binary.output()).stdout), /standard input.*it is not UTF-8 text/);
  const nothing = await runMain(["check", "--config", "-"]);
  assert.deepEqual([nothing.code, /standard input.*empty/.test(nothing.stdout)], [1, true]);
});
