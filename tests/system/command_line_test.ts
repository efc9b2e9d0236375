import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT_URL } from "../house/syntax.ts";
import { mainCommand, runMain } from "./_command.ts";
import { eventually } from "./_eventually.ts";
import { freePort } from "./_gateway.ts";

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

Deno.test("the command line says what it can do, and what it cannot", async () => {
  for (const args of [[], ["help"], ["--help"], ["start", "--help"]]) {
    const { code, stdout } = await runMain(args);
    assert.equal(code, 0, args.join(" "));
    assert.match(stdout, /usage: usher COMMAND/);
  }
  for (const args of [["fly"], ["start", "--confg", "x"], ["check", "extra"]]) {
    const { code, stderr, stdout } = await runMain(args);
    assert.equal(code, 1, args.join(" "));
    assert.match(stderr, /usage: usher COMMAND/);
    assert.equal(stdout, "");
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
