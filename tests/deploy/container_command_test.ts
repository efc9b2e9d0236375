import assert from "node:assert/strict";
import { join } from "node:path";
import { formatListenAddress } from "../../lib/config/addresses.ts";
import { configOf } from "../config/load_text.ts";
import { readText } from "../house/source_tree.ts";
import { isInstalled } from "../house/test_command.ts";
import { ROOT_URL } from "../house/syntax.ts";
import { hasLinter, lint, without } from "./linters.ts";

/** Tests may start nothing but Deno and Debian's programs, so it is Python that starts the shell. */
const PYTHON = "/usr/bin/python3";
const TOKEN = "0123456789abcdef0123456789abcdef";

/** What the container's `usher` makes of its arguments and variables. */
interface Run {
  /** The command line of Deno. */
  readonly args: readonly string[];
  readonly adminListen: string | undefined;
}

/** Runs the container's `usher` with a Deno that prints how it was called. */
async function usher(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const directory = await Deno.makeTempDir({ prefix: "usher-test-" });
  try {
    const deno = join(directory, "deno");
    await Deno.writeTextFile(deno, '#!/bin/sh\nprintf "%s\\n" "${ADMIN_LISTEN:-}" "$@"\n', { mode: 0o755 });
    const script = new URL("deploy/docker/usher", ROOT_URL).pathname;
    const { code, stdout, stderr } = await new Deno.Command(PYTHON, {
      args: ["-c", "import os,sys; os.execv(sys.argv[1], sys.argv[1:])", script, ...args],
      clearEnv: true,
      env: { PATH: `${directory}:/usr/bin:/bin`, ...env },
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const [adminListen, ...called] = new TextDecoder().decode(stdout).trimEnd().split("\n");
    return { args: called, adminListen: adminListen || undefined };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const grantsOf = ({ args }: Run) => args.filter((arg) => arg.startsWith("--allow-")).sort();

Deno.test({
  name: "the container's usher starts Deno offline and frozen, its arguments as they are, with what the command needs",
  ignore: !isInstalled(PYTHON),
  async fn() {
    const started = await usher(["start", "--config", "a b.yaml"]);
    assert.deepEqual(started.args.slice(-4), ["/usher/main.ts", "start", "--config", "a b.yaml"]);
    for (const flag of ["--cached-only", "--frozen", "--no-prompt"]) assert.ok(started.args.includes(flag), flag);
    const plain = ["--allow-env", "--allow-net", "--allow-read", "--allow-sys=statfs", "--allow-write"];
    assert.deepEqual(grantsOf(started), plain);
    assert.deepEqual(grantsOf(await usher(["start"], { USHER_IMAGES: "1" })), [...plain, "--allow-ffi"].sort());
    assert.deepEqual(grantsOf(await usher(["check"], { USHER_IMAGES: "1" })), plain);
    const { args } = await usher(["doctor"]);
    assert.ok(args.includes("--allow-sys=statfs,systemMemoryInfo,networkInterfaces"));
    assert.equal((await usher([])).args.at(-1), "/usher/main.ts");
  },
});

Deno.test({
  name: "the container's admin address is open outside it where there is a token, and only there",
  ignore: !isInstalled(PYTHON),
  async fn() {
    const example = readText("config.example.yaml");
    const rows: [env: Record<string, string>, listen: string][] = [
      [{}, "127.0.0.1:6636"],
      [{ ADMIN_TOKEN: "" }, "127.0.0.1:6636"],
      [{ ADMIN_TOKEN: TOKEN }, "0.0.0.0:6636"],
      [{ ADMIN_TOKEN: TOKEN, ADMIN_LISTEN: "127.0.0.1:7000" }, "127.0.0.1:7000"],
    ];
    for (const [env, listen] of rows) {
      const { adminListen } = await usher(["start"], env);
      const given = { ...env, ...(adminListen === undefined ? {} : { ADMIN_LISTEN: adminListen }) };
      const { admin } = await configOf(example, { env: given });
      assert.equal(formatListenAddress(admin.listen), listen);
    }
  },
});

Deno.test({
  name: `shellcheck finds nothing in the container's usher${without("shellcheck")}`,
  ignore: !hasLinter("shellcheck"),
  fn: () => lint("shellcheck", ["deploy/docker/usher", ".ci/run"]),
});
