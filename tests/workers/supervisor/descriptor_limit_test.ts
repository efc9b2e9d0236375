import assert from "node:assert/strict";
import {
  ASSUMED_DESCRIPTORS,
  countOpenable,
  descriptorLimit,
  MAX_PROBED,
  parseOpenFiles,
} from "../../../lib/workers/supervisor/descriptor_limit.ts";

const MODULE = new URL("../../../lib/workers/supervisor/descriptor_limit.ts", import.meta.url);
/** Sets the limit and becomes the program: nobody else here may. */
const PYTHON = "/usr/bin/python3";
const canLimit = Deno.build.os === "linux" && isThere(PYTHON);

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** What a process finds out that may have so many descriptors. */
async function foundBy(limit: number, ...permissions: string[]): Promise<number> {
  const program = `
    Deno.addSignalListener("SIGHUP", () => {});
    const { descriptorLimit, countOpenable } = await import(${JSON.stringify(MODULE)});
    const found = descriptorLimit();
    // What was opened to find out is closed again.
    if (descriptorLimit() !== found) throw new Error("another time another limit");
    console.log(found);
    Deno.exit(0);`;
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(script, program);
    const limited = "import os, resource, sys; n = int(sys.argv[1]); " +
      "resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)); os.execv(sys.argv[2], sys.argv[2:])";
    const run = [Deno.execPath(), "run", "--no-prompt", "--no-config", ...permissions, script];
    const { stdout, stderr, success } = await new Deno.Command(PYTHON, {
      args: ["-c", limited, String(limit), ...run],
      env: { NO_COLOR: "1" },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return Number(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(script);
  }
}

Deno.test("parseOpenFiles() takes the soft limit, and nothing of what is none", () => {
  const limits = (line: string) => `Limit  Soft Limit  Hard Limit  Units\nMax processes  7  8  processes\n${line}\n`;
  assert.equal(
    parseOpenFiles(limits("Max open files            1024                 4096                 files")),
    1024,
  );
  assert.equal(
    parseOpenFiles(limits("Max open files            unlimited            unlimited            files")),
    null,
  );
  assert.equal(parseOpenFiles(limits("Max open sesame 5 5 files")), null);
  assert.equal(parseOpenFiles(""), null);
});

Deno.test("countOpenable() counts as far as it is asked to, and answers 0 for what cannot be opened", () => {
  const path = new URL(import.meta.url).pathname;
  assert.equal(countOpenable(path, 20), 20);
  assert.equal(countOpenable(path, 0), 0);
  assert.equal(countOpenable(`${path}.not`, 20), 0);
});

Deno.test({
  name: "descriptorLimit() reads the system's figure where it may",
  ignore: !canLimit,
  fn: async () => assert.equal(await foundBy(300, "--allow-all"), 300),
});

Deno.test({
  name: "descriptorLimit() finds out by opening what may still be opened, and leaves none open",
  ignore: !canLimit,
  fn: async () => {
    const found = await foundBy(300, "--allow-read", "--allow-env");
    assert.ok(found > 200 && found < 300, String(found));
  },
});

Deno.test({
  name: "descriptorLimit() assumes a low limit where it may open nothing",
  ignore: !canLimit,
  fn: async () => {
    const folder = new URL("../../../", import.meta.url).pathname;
    const found = await foundBy(300, `--allow-read=${folder}`);
    assert.equal(found, ASSUMED_DESCRIPTORS);
  },
});

Deno.test("descriptorLimit() is a number that connections can be counted against", () => {
  const ignored = () => {};
  Deno.addSignalListener("SIGHUP", ignored);
  const found = descriptorLimit();
  Deno.removeSignalListener("SIGHUP", ignored);
  assert.ok(Number.isInteger(found) && found > 100, String(found));
  assert.ok(MAX_PROBED > 10_000);
});
