import assert from "node:assert/strict";
import {
  ASSETS,
  compileArguments,
  explainFailure,
  judgeBase,
  readCommandLine,
  TARGETS,
  tryProgram,
} from "../../.ci/compile.ts";
import { listFiles, readSource, readText } from "../house/source_tree.ts";
import { relativeToRoot, ROOT_URL } from "../house/syntax.ts";

async function deno(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    env: { NO_COLOR: "1", ...env },
    cwd: ROOT_URL,
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("main.ts reaches every file of lib/ and routes/, so that each role of a worker is embedded and none is dead", async () => {
  const { stdout } = await deno(["info", "--json", "--frozen", "main.ts"]);
  const modules: Array<{ local?: string; error?: string }> = JSON.parse(stdout).modules;
  assert.deepEqual(modules.filter(({ error }) => error !== undefined), []);
  const reached = new Set(modules.map(({ local }) => relativeToRoot(local ?? "")));
  const sources = listFiles().filter((path) => /^(lib|routes)\/.*\.tsx?$/.test(path) && !readSource(path).isTypeOnly);
  assert.deepEqual(sources.filter((path) => !reached.has(path)), []);
  assert.deepEqual([...reached].filter((path) => path.startsWith("tests/")), []);
});

Deno.test("main.ts and its workers load code only by names that can be embedded", () => {
  const sources = listFiles().filter((path) => /^(lib|routes)\/.*\.ts$/.test(path) || path === "main.ts");
  const computed = sources.filter((path) =>
    /\bimport\((?!\s*["'])/.test(readText(path).replaceAll(/^\s*(\/\/|\/?\*).*$/gm, ""))
  );
  // What few want is on purpose not part of the program: it is looked for where it is installed and wanted.
  assert.deepEqual(computed, ["lib/cluster/_redis_client.ts", "lib/image/sharp_codec.ts"]);
  const blobWorkers = sources.filter((path) => /createObjectURL|new Worker\(\s*`?"?data:/.test(readText(path)));
  assert.deepEqual(blobWorkers, []);
});

Deno.test("D6: compile embeds the sources and the assets, no test and no test package, and reports no success for plain deno", async () => {
  const out = await Deno.makeTempDir();
  const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-run"];
  const target = Deno.build.target;
  // The program itself stands in for the base binary, so nothing is downloaded; the listing is true, the result is plain deno.
  const { code, stderr } = await deno(["run", ...permissions, ".ci/compile.ts", "--target", target, "--out", out], {
    DENORT_BIN: Deno.execPath(),
  });
  const listing = stderr.slice(stderr.indexOf("Embedded Files"));
  for (const asset of [...ASSETS, "main.ts", "lib", "routes", "hono", "yaml", "lru-cache"]) {
    assert.ok(listing.includes(asset), `${asset} in\n${listing}`);
  }
  assert.doesNotMatch(listing, /tests|moviedb|axios/);
  assert.equal(code, 1, stderr);
  assert.match(stderr, new RegExp(`Cannot compile for ${target}: what came out is not Usher, and was removed`));
  assert.match(stderr, /DENORT_BIN has to name denort of Deno \d/);
  assert.match(stderr, new RegExp(`compiled 0 of 1 targets, not: ${target}\\s*$`));
  assert.deepEqual([...Deno.readDirSync(out)], [], "nobody takes it for a program");
  await Deno.remove(out, { recursive: true });
});

Deno.test("D6: tryProgram() says what is wrong with a program that is not Usher", async () => {
  assert.match(await tryProgram(Deno.execPath()) ?? "", /^`version` does not work: /);
  assert.match(await tryProgram("/nonexistent/usher") ?? "", /^it cannot be run: /);
});

Deno.test("D6: judgeBase() knows plain deno in a program for another machine, which cannot be run here", async () => {
  assert.equal(await judgeBase(Deno.execPath()), "it holds the deno program in place of denort");
  assert.equal(await judgeBase(new URL("main.ts", ROOT_URL).pathname), null);
});

Deno.test("compile says plainly that the base binary cannot be downloaded, without a stack", async () => {
  const out = await Deno.makeTempDir();
  // A port that nobody listens on stands for a network that does not let Deno out.
  const closedPort = { HTTPS_PROXY: "http://127.0.0.1:9", https_proxy: "http://127.0.0.1:9" };
  const args = ["run", "--allow-read", "--allow-write", "--allow-env", "--allow-run", ".ci/compile.ts"];
  const { code, stderr } = await deno([...args, "--target", "aarch64-apple-darwin", "--out", out], closedPort);
  await Deno.remove(out, { recursive: true });
  const wasDownloadedBefore = code === 0;
  if (wasDownloadedBefore) return;
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^Cannot compile for aarch64-apple-darwin: the base binary could not be downloaded\n +file +denort-/,
  );
  assert.match(stderr, /compiled 0 of 1 targets, not: aarch64-apple-darwin\s*$/);
  assert.doesNotMatch(stderr, /backtrace|<unknown>/);
});

Deno.test("readCommandLine() builds all targets or those named, and refuses others", () => {
  assert.deepEqual(readCommandLine([]), { targets: TARGETS, out: "dist" });
  assert.deepEqual(readCommandLine(["--target", "aarch64-apple-darwin", "--out", "x"]), {
    targets: ["aarch64-apple-darwin"],
    out: "x",
  });
  assert.throws(() => readCommandLine(["--target", "sparc"]), /Unknown target "sparc": expected one of x86_64/);
  assert.throws(() => readCommandLine(["--tarjet"]), TypeError);
});

Deno.test("compileArguments() fixes the lock file and names the assets that are read at run time", () => {
  const args = compileArguments({ target: "aarch64-apple-darwin", out: "dist" });
  assert.equal(args.at(-1), "main.ts");
  assert.ok(args.includes("--frozen") && args.includes("dist/usher-aarch64-apple-darwin"));
  for (const asset of ASSETS) assert.equal(args[args.indexOf(asset) - 1], "--include");
});

Deno.test("explainFailure() names the file, the host and the way round where the base binary cannot be downloaded", () => {
  const url = "https://dl.deno.land/release/v2.9.6/denort-x86_64-pc-windows-msvc.zip";
  const said = explainFailure(
    "x86_64-pc-windows-msvc",
    [
      "Compile main.ts to dist/u.exe",
      `Download ${url}`,
      "error: Writing deno compile executable to temporary file 'dist/u.exe.tmp-2aa7b6cc2bc6571e'",
      "",
      "Caused by:",
      "    0: Setting up base binary.",
      `    1: error sending request for url (${url}): client error (Connect): dns error: failed to lookup address information`,
      "    2: client error (Connect)",
      "    3: dns error",
      "    4: failed to lookup address information: Name or service not known",
      "",
      "Stack backtrace:",
      "   0: <unknown>",
    ].join("\n"),
  ) ?? "";
  for (
    const part of [
      url,
      "denort-x86_64-pc-windows-msvc.zip of Deno",
      "open the way to dl.deno.land",
      "DENORT_BIN=",
      "Name or service not known",
    ]
  ) {
    assert.ok(said.includes(part), `${part} in\n${said}`);
  }
  assert.doesNotMatch(said, /backtrace|<unknown>|tmp-/);
  assert.equal(explainFailure("x86_64-pc-windows-msvc", "TS2322 [ERROR]: Type 'string' is not assignable"), undefined);
});
