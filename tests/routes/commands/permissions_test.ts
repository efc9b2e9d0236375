import assert from "node:assert/strict";
import { ROOT_URL } from "../../house/syntax.ts";
import { freePort } from "../../free_port.ts";
import { mayBegin } from "../../../routes/commands/permissions.ts";

const PYTHON = "/usr/bin/python3";

/** Runs a program on a terminal of its own and copies what it prints. */
const ON_A_TERMINAL = `import os, pty, sys
status = pty.spawn(sys.argv[1:], stdin_read=lambda fd: b"")
sys.exit(os.waitstatus_to_exitcode(status))`;

Deno.test("mayBegin() lets a command begin that has what it needs, and every one where nobody can be asked", () => {
  for (const command of ["start", "check", "doctor", "explain", "health"]) {
    assert.equal(mayBegin(command, ["--config", "config.yaml"], true), true, command);
    assert.equal(mayBegin(command, [], false), true, command);
  }
});

Deno.test({
  name: "D1: on a terminal a command says which permissions are missing, and does not wait for an answer",
  // Debian's: it can open a terminal.
  ignore: !isThere(PYTHON),
  fn: async () => {
    const cases = [
      { given: [], args: ["start"], missing: "--allow-read --allow-env" },
      { given: ["--allow-read"], args: ["explain", "/3"], missing: "--allow-env" },
      { given: ["--allow-read", "--allow-env"], args: ["status"], missing: "--allow-net" },
      { given: [], args: ["health"], missing: "--allow-net --allow-read --allow-env" },
    ];
    await Promise.all(cases.map(async ({ given, args, missing }) => {
      const { code, text } = await onTerminal(given, args);
      assert.equal(code, 1, text);
      assert.equal(
        text,
        `Deno was not given ${missing}: \`deno task usher ${args[0]}\` gives what is needed, and --no-prompt`,
      );
    }));
  },
});

Deno.test({
  name:
    "D1: on a terminal a gateway that may use a part of the network or of the files does not start to ask for the rest",
  ignore: !isThere(PYTHON),
  fn: async () => {
    const cases = [
      { given: ["--allow-net=127.0.0.1", "--allow-read", "--allow-env"], part: "--allow-net" },
      { given: ["--allow-net=127.0.0.1", "--allow-read=.", "--allow-env"], part: "--allow-net --allow-read" },
    ];
    await Promise.all(cases.map(async ({ given, part }) => {
      const asked = await onTerminal(given, ["start", "--config", "none.yaml"]);
      const said =
        `Deno was given a part of ${part}, and would ask this terminal for the rest while it serves: set DENO_NO_PROMPT=1`;
      assert.deepEqual(asked, { code: 1, text: said });
      const told = await onTerminal(given, ["start", "--config", "none.yaml"], { DENO_NO_PROMPT: "1" });
      assert.match(told.text, /^none\.yaml: cannot read the configuration: there is no such file/);
    }));
  },
});

Deno.test({
  name: "D1: on a terminal migrate-env says that it may not write, and does not wait for an answer",
  ignore: !isThere(PYTHON),
  fn: async () => {
    const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
    try {
      await Deno.writeTextFile(`${directory}/.env`, "UPSTREAM_SERVERS=https://api.themoviedb.org\n");
      const args = ["migrate-env", `${directory}/.env`, "--output", `${directory}/made.yaml`];
      const { code, text } = await onTerminal(["--allow-read", "--allow-env"], args);
      assert.equal(code, 1, text);
      assert.match(text, /^Cannot write .*made\.yaml: Deno was not given --allow-write/m);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test({
  name: "D8: on a terminal a gateway that may start no program says so, and serves",
  ignore: !isThere(PYTHON) || Deno.build.os !== "linux",
  fn: async () => {
    const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
    try {
      const config = `${directory}/config.yaml`;
      const port = freePort();
      await Deno.writeTextFile(
        config,
        `server: { data_dir: ${JSON.stringify(directory)}, cpu_affinity: true, workers: 1 }
admin: { listen: "127.0.0.1:${port}" }
pools: { one: { type: custom, health: false, upstreams: [http://127.0.0.1:9] } }
listeners: [{ name: one, listen: "127.0.0.1:0", pool: one }]
`,
      );
      const given = ["--allow-net", "--allow-read", "--allow-env", "--allow-write"];
      const args = ["-c", ON_A_TERMINAL, Deno.execPath(), "run", ...given, "main.ts", "start", "--config", config];
      const child = new Deno.Command(PYTHON, {
        args,
        cwd: ROOT_URL,
        env: { NO_COLOR: "1", USHER_RUN_DIR: directory },
        stdin: "null",
        stdout: "piped",
        signal: AbortSignal.timeout(120_000),
      }).spawn();
      let text = "";
      let hasStopped = false;
      for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += part;
        if (hasStopped || !text.includes("Usher is ready")) continue;
        hasStopped = true;
        await fetch(`http://127.0.0.1:${port}/stop`, { method: "POST" }).then((response) => response.body?.cancel());
      }
      assert.equal((await child.status).code, 0, text);
      assert.match(text, /not pinned to cores.*may not start taskset.*deno task start:pinned/);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

/** Runs `main.ts` on a terminal of its own, with these permissions. */
async function onTerminal(
  given: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const { code, stdout } = await new Deno.Command(PYTHON, {
    args: ["-c", ON_A_TERMINAL, Deno.execPath(), "run", ...given, "main.ts", ...args],
    cwd: ROOT_URL,
    env: { NO_COLOR: "1", ...env },
    signal: AbortSignal.timeout(120_000),
  }).output();
  return { code, text: new TextDecoder().decode(stdout).trim() };
}

function isThere(path: string): boolean {
  try {
    return Deno.lstatSync(path) !== null;
  } catch {
    return false;
  }
}
