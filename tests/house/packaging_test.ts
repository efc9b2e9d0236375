import assert from "node:assert/strict";
import { parse } from "yaml";
import { listFiles, readText } from "./source_tree.ts";
import { ROOT_URL } from "./syntax.ts";

const files = listFiles();

/** Instructions of the Dockerfile, continued lines joined, comments dropped. */
const instructions = readText("Dockerfile").replaceAll(/^#.*\n/gm, "").replaceAll(/\\\n\s*/g, "").split("\n")
  .map((line) => /^([A-Z]+)\s+(.*)$/.exec(line.trim()))
  .filter((match) => match !== null).map((match) => ({ name: match[1] ?? "", value: match[2] ?? "" }));

/** Those of the last stage, the one that ships. */
const finalStage = instructions.slice(instructions.findLastIndex(({ name }) => name === "FROM"));

/** The value of an instruction that stands once in the last stage. */
function only(name: string): string {
  const values = finalStage.filter((instruction) => instruction.name === name).map(({ value }) => value);
  assert.equal(values.length, 1, `${name} stands ${values.length} times in the last stage`);
  return values[0] ?? "";
}

function execForm(name: string): string[] {
  return JSON.parse(only(name).replace(/^[^[]*/, ""));
}

Deno.test("Dockerfile has a build stage and a slim last one without Node and npm", () => {
  assert.equal(instructions.filter(({ name }) => name === "FROM").length, 2);
  assert.equal(only("FROM"), "${BASE_IMAGE}");
  const names = instructions.filter(({ name }) => name === "ARG").slice(0, 2).map(({ value }) => value);
  assert.match(names.join(), /^NODE_IMAGE=node:\d+-([a-z]+)-slim,BASE_IMAGE=debian:\1-slim$/);
});

Deno.test("Dockerfile runs as a user that is not root, by number, and owns only /data", () => {
  assert.match(only("USER"), /^[1-9]\d*:[1-9]\d*$/);
  const owned = finalStage.filter(({ name, value }) => name === "COPY" && value.includes("--chown"));
  assert.deepEqual(owned.map(({ value }) => value.split(" ").at(-1)), ["/data"]);
  assert.equal(only("VOLUME"), "/data");
  assert.match(only("ENV"), /USHER_CONFIG=\/etc\/usher\/config\.yaml .*USHER_RUN_DIR=\/data /);
  const user = finalStage.findIndex(({ name }) => name === "USER");
  assert.ok(
    !finalStage.slice(user).some(({ name }) => name === "COPY" || name === "RUN"),
    "nothing is written after USER",
  );
});

Deno.test("Dockerfile has a health check without extra programs, SIGTERM as stop signal and the port of the old system", () => {
  assert.deepEqual([execForm("ENTRYPOINT"), execForm("CMD")], [["usher"], ["start"]]);
  assert.match(only("HEALTHCHECK"), /^--interval=\d+s --timeout=\d+s --start-period=\d+s --retries=\d+ CMD \[/);
  assert.deepEqual(execForm("HEALTHCHECK"), ["usher", "health"]);
  assert.equal(only("STOPSIGNAL"), "SIGTERM");
  assert.equal(only("EXPOSE"), "6635 6636");
});

Deno.test("Dockerfile names no architecture, so that it builds for amd64 and arm64", () => {
  assert.doesNotMatch(instructions.map(({ value }) => value).join("\n"), /--platform|x86_64|aarch64|amd64|arm64/);
});

Deno.test("Dockerfile copies everything that main.ts may need, and .dockerignore lets it through", () => {
  const copied = instructions.filter(({ name, value }) => name === "COPY" && !value.startsWith("--from"))
    .flatMap(({ value }) => value.split(/\s+/).slice(0, -1)).filter((path, index, all) => all.indexOf(path) === index);
  const letThrough = readText(".dockerignore").split("\n").filter((line) => line.startsWith("!")).map((line) =>
    line.slice(1)
  );
  assert.deepEqual(copied.toSorted(), letThrough.toSorted());
  for (const path of copied) assert.ok(files.some((file) => file === path || file.startsWith(path)), `${path} exists`);
});

Deno.test("compose.yaml serves port 6635, and the admin address to the host alone, from a container that may do nothing but its work", () => {
  const { services, volumes } = parse(readText("compose.yaml"));
  const { usher } = services;
  assert.deepEqual(usher.ports, ["6635:6635", "127.0.0.1:6636:6636"]);
  assert.equal(usher.read_only, true);
  assert.deepEqual(usher.cap_drop, ["ALL"]);
  assert.deepEqual(usher.security_opt, ["no-new-privileges:true"]);
  assert.deepEqual(usher.volumes, ["usher-data:/data"]);
  assert.ok("usher-data" in volumes);
  assert.match(usher.tmpfs[0], /^\/tmp(:|$)/);
  assert.deepEqual(usher.environment, { TMDB_API_KEY: "${TMDB_API_KEY:-}", ADMIN_TOKEN: "${ADMIN_TOKEN:-}" });
  assert.equal(usher.build, undefined);
  assert.match(readText("compose.yaml"), /^ {4}# build: \.$/m, "for those who have the sources");
  assert.equal(usher.privileged ?? usher.cap_add ?? usher.network_mode, undefined);
});

Deno.test("compose.yaml waits longer for a stop than the default shutdown_grace", () => {
  const { services } = parse(readText("compose.yaml"));
  const { server } = parse(readText("config.example.yaml"));
  assert.ok(parseInt(services.usher.stop_grace_period) > parseInt(server.shutdown_grace));
});

Deno.test("one Deno version is named everywhere, and it is the one that runs", () => {
  const places = files.filter((path) => /(^|\/)(Dockerfile|compose\.yaml|run)$|\.(md|ya?ml|ts|json)$/.test(path));
  const pins = places.filter((path) => path !== "deno.lock").flatMap((path) =>
    [...readText(path).matchAll(/\bdeno@(\d[\w.]*)|DENO_VERSION=(\d[\w.]*)|\bDeno (\d+\.\d+\.\d+)\b/g)]
      .map((match) => ({ path, version: (match[1] ?? match[2] ?? match[3] ?? "").replace(/\.$/, "") }))
  );
  assert.deepEqual(pins.filter(({ version }) => version !== Deno.version.deno), []);
  for (const path of ["README.md", "CONTRIBUTING.md", "Dockerfile", ".ci/run"]) {
    assert.ok(pins.some((pin) => pin.path === path), `${path} names no version`);
  }
});

Deno.test("deno.json pins every package to one version, and every task's file exists", () => {
  const { imports, tasks } = JSON.parse(readText("deno.json"));
  for (const [name, target] of Object.entries(imports)) {
    assert.match(String(target), /^npm:(@[\w-]+\/)?[\w-]+@\d+\.\d+\.\d+$/, name);
  }
  const commands = Object.values(tasks).map((task) =>
    typeof task === "string" ? task : String((task as { command: string }).command)
  );
  const named = commands.flatMap((command) => [...command.matchAll(/(?<=\s)[\w./-]+\.ts\b/g)].map(([path]) => path));
  assert.deepEqual(named.filter((path) => !files.includes(path)), []);
});

Deno.test("deno.json has the tasks of the house, and none that asks for every permission", () => {
  const { tasks } = JSON.parse(readText("deno.json"));
  for (const name of ["start", "demo", "check", "test", "bench", "fmt", "lint", "ok", "compile", "schema"]) {
    assert.ok(name in tasks, name);
  }
  // The bench reads what processes cost in /proc, which needs every permission.
  // Native code is for those alone who have pictures converted, and is all that they get beside the others.
  // The driver of the browser asks for every permission too.
  const { "start:images": images, bench: _bench, "bench:connections": _connections, ...rest } = tasks;
  const { "test:page": _page, screenshots: _screenshots, ...others } = rest;
  assert.equal(images.command.replace(" --allow-ffi", ""), tasks.start.command);
  // D8: programs are started by those alone who have workers pinned, and only the two that do it.
  assert.equal(tasks["start:pinned"].command.replace(" --allow-run=ps,taskset", ""), tasks.start.command);
  assert.doesNotMatch(JSON.stringify(others), /\s(-A|--allow-all|--allow-ffi)\b/);
  for (const name of ["start", "demo"]) {
    // `server.data_dir` may be anywhere: the process may write, and narrows each of its workers.
    assert.match(tasks[name].command, / --allow-write /, name);
    assert.doesNotMatch(tasks[name].command, /--allow-run/, name);
  }
});

Deno.test("deno.lock names no host and holds what deno.json pins", () => {
  const lock = JSON.parse(readText("deno.lock"));
  assert.doesNotMatch(readText("deno.lock"), /https?:\/\//);
  const { imports } = JSON.parse(readText("deno.json"));
  for (const target of Object.values(imports)) assert.ok(String(target) in lock.specifiers, String(target));
});

Deno.test("deno.json: every command is a task, `usher` is all of them, and none waits for an answer at a terminal", async () => {
  const { tasks } = JSON.parse(readText("deno.json"));
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-read", "--allow-env", "main.ts", "help"],
    cwd: ROOT_URL,
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(code, 0);
  const commands = [...new TextDecoder().decode(stdout).matchAll(/^ {2}([a-z][a-z-]*) {2,}/gm)].map(([, name]) =>
    name!
  );
  assert.ok(commands.length >= 14, commands.join());
  for (const name of commands.filter((name) => name !== "help")) {
    const expected = new RegExp(`^(?:[A-Z_]+=\\d+ )*deno run --no-prompt .*main\\.ts ${name}$`);
    assert.match(String(tasks[name]?.command), expected, name);
  }
  assert.match(tasks.usher.command, /^deno run --no-prompt .*main\.ts$/);
  for (const [name, { command }] of Object.entries(tasks as Record<string, { command: string }>)) {
    for (const run of command.match(/deno run [^&]*/g) ?? []) assert.match(run, /^deno run --no-prompt /, name);
  }
});

Deno.test("Dockerfile, program and tests name the same `sharp`, and deno.all.lock has every package", () => {
  const [named] = /npm:sharp@[\d.]+/.exec(readText("lib/image/sharp_codec.ts"))!;
  assert.ok(readText("Dockerfile").includes(`deno cache --frozen ${named} `));
  const lock = JSON.parse(readText("deno.all.lock"));
  const small = JSON.parse(readText("deno.lock"));
  const sources = files.filter((path) =>
    /^(?:lib|routes|tests)\/.*\.ts$/.test(path) && !path.startsWith("tests/house/")
  );
  const all = sources.flatMap((path) =>
    readText(path).match(/(?<=from "|import\(")npm:[^"$]+@\d+\.\d+\.\d+(?=")/g) ?? []
  );
  assert.ok(all.includes(named));
  for (const specifier of [...all, ...Object.keys(small.specifiers)]) {
    assert.ok(specifier in lock.specifiers, specifier);
  }
  for (const [name, { integrity }] of Object.entries(small.npm as Record<string, { integrity: string }>)) {
    assert.equal(lock.npm[name].integrity, integrity, name);
  }
});

Deno.test("deno.lock holds what a start imports and nothing more: `deno task` fetches all that it names", () => {
  const { imports } = JSON.parse(readText("deno.json"));
  const { specifiers } = JSON.parse(readText("deno.lock"));
  assert.deepEqual(Object.keys(specifiers).sort(), Object.values(imports).map(String).sort());
});
