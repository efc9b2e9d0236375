import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { launcher, PLATFORM_PACKAGES, readCommandLine } from "../../.ci/dist.ts";
import { ROOT_URL } from "../house/syntax.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "./_gateway.ts";

/** The shell that starts programs; tests may start nothing but Deno and Python, so it is Python that starts it. */
const PYTHON = "/usr/bin/python3";

Deno.test({
  name: "D6: a program made of npm's packages alone starts without deno, node and home, reloads, and stops with 0",
  ignore: !(Deno.build.target in PLATFORM_PACKAGES) || !exists(PYTHON),
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
    try {
      await buildAndRun(directory);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

async function buildAndRun(directory: string): Promise<void> {
  const target = Deno.build.target;
  const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-run"];
  const built = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...permissions,
      ".ci/dist.ts",
      "--target",
      target,
      "--out",
      relative(fileURLToPath(ROOT_URL), directory),
    ],
    cwd: ROOT_URL,
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(built.stderr);
  assert.equal(built.code, 0, said);
  assert.match(said, new RegExp(`usher-${target}  \\d+ MB  runs\\n$`));

  const program = join(directory, `usher-${target}`);
  const [port, adminPort] = [freePort(), freePort()];
  const config = (name: string) =>
    `server: { data_dir: ${JSON.stringify(join(directory, "data"))}, workers: 2 }
admin: { listen: "127.0.0.1:${adminPort}" }
pools: { one: { type: custom, health: false, upstreams: [http://127.0.0.1:9] } }
listeners: [{ name: ${name}, listen: "127.0.0.1:${port}", pool: one }]
`;
  await Deno.writeTextFile(join(directory, "config.yaml"), config("first"));
  const unpacked = join(directory, "unpacked");
  const command = (args: readonly string[], env: Readonly<Record<string, string>>) =>
    new Deno.Command(PYTHON, {
      args: ["-c", "import os,sys; os.execv(sys.argv[1], sys.argv[1:])", program, ...args],
      clearEnv: true,
      // Neither deno nor node is there.
      env: { PATH: "/usr/bin:/bin", NO_COLOR: "1", ...env },
      cwd: directory,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });

  const homeless = await command(["version"], {}).output();
  assert.equal(homeless.code, 1);
  assert.match(new TextDecoder().decode(homeless.stderr), /^usher: cannot unpack itself .*USHER_UNPACK_DIR\n$/);

  const child = command(["start"], { USHER_UNPACK_DIR: unpacked }).spawn();
  let text = "";
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
  };
  const drained = Promise.all([read(child.stdout), read(child.stderr)]);
  await eventually("it is ready", () => text.includes("Usher is ready") || text.includes("cannot"));
  // The script gives way to the gateway, so signals reach it.
  assert.match(text, new RegExp(`Usher is ready pid=${child.pid} workers=2`), text);
  const status = await (await fetch(`http://127.0.0.1:${adminPort}/status`)).json();
  assert.deepEqual(status.workers.map(({ state }: { state: string }) => state), ["up", "up", "up"]);
  assert.equal(status.cache.disk_problem ?? null, null);
  // The page and its packages are in it.
  for (const path of ["", "page/main.js", "page/preact.js", "page/uplot.js"]) {
    const part = await fetch(`http://127.0.0.1:${adminPort}/${path}`);
    assert.ok(part.ok && (await part.text()).length > 500, path);
  }
  const response = await fetch(`http://127.0.0.1:${port}/a`);
  assert.equal(response.status, 502);
  await response.body?.cancel();
  await Deno.writeTextFile(join(directory, "config.yaml"), config("second"));
  child.kill("SIGHUP");
  await eventually("it reloads", () => text.includes("Configuration reloaded generation=2"));
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  await drained;
  assert.match(text, /Usher has stopped, \d+ requests finished .*\n$/);
  assert.equal([...Deno.readDirSync(unpacked)].length, 1, "unpacked once, and whole");
}

Deno.test("D6: readCommandLine() makes all programs or those named, and refuses others", () => {
  assert.deepEqual(readCommandLine([]), { targets: Object.keys(PLATFORM_PACKAGES), out: "dist" });
  assert.deepEqual(readCommandLine(["--target", "aarch64-apple-darwin", "--out", "x"]).targets, [
    "aarch64-apple-darwin",
  ]);
  assert.throws(() => readCommandLine(["--target", "sparc"]), /Unknown target "sparc": expected one of x86_64/);
});

Deno.test("D6: launcher() knows where the archive behind it begins, and grants what `deno task usher` does", async () => {
  const script = launcher({ version: "1.2.3", target: "x", digest: "abc" });
  assert.equal(script.match(/tail -n \+(\d+)/)![1], String(script.split("\n").length));
  const { unstable, tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT_URL)));
  const grants = (command: string) => command.split(" ").filter((part) => part.startsWith("--allow-")).sort();
  assert.deepEqual(grants(script.replaceAll("\n", " ")), grants(tasks.usher.command));
  // What concerns packages is settled when the bundle is made.
  for (const name of unstable.filter((name: string) => name !== "npm-lazy-caching")) {
    assert.ok(script.includes(` --unstable-${name} `), name);
  }
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
