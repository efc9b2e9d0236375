/**
 * Compiles Usher to one program an architecture, below `dist/`: `deno task compile [--target TRIPLE]… [--out FOLDER]`.
 * `main.ts` is the entry of the supervisor and of every worker, so what it imports, also by `import()`, is embedded with it.
 * A program for this machine is run before it counts. `dist.ts` makes programs where no base binary for this can be had.
 */
import { Buffer } from "node:buffer";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Targets that Deno can compile for; all of them are built where none is named. */
export const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
] as const;

/** Files that are read at run time and not imported. */
export const ASSETS = ["config.example.yaml", "config.schema.json"] as const;

/**
 * What the program may do, as in `deno task start`: a compiled program cannot be given more when it is started, and `data_dir` may be
 * anywhere.
 */
const PERMISSIONS = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-env",
  "--allow-write",
  "--allow-sys=statfs",
];

/** As in `deno task start`: what each worker's heap may grow by before it is looked through; see docs/tuning.md. */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=8";

const ROOT = new URL("../", import.meta.url);

/** What to compile for, and where to. */
export interface CompileOptions {
  readonly target: string;
  /** Folder of the programs. */
  readonly out: string;
}

/** Builds the arguments of `deno compile` for one target. */
export function compileArguments({ target, out }: CompileOptions): string[] {
  const includes = ASSETS.flatMap((asset) => ["--include", asset]);
  const output = ["--output", `${out}/usher-${target}`];
  return [
    "compile",
    "--frozen",
    "--exclude-unused-npm",
    V8_FLAGS,
    ...PERMISSIONS,
    ...includes,
    "--target",
    target,
    ...output,
    "main.ts",
  ];
}

/** Says plainly what is missing where `deno compile` could not get its base binary; `undefined` for other failures. */
export function explainFailure(target: string, stderr: string): string | undefined {
  const url = /https?:\/\/[^\s)]*denort[^\s)]*\.zip/.exec(stderr)?.[0];
  if (url === undefined) return undefined;
  const causes = stderr.split("Stack backtrace:")[0] ?? "";
  const reasons = [...causes.matchAll(/^ +\d+: (.+)$/gm)].map((match) => match[1] ?? "");
  return [
    `Cannot compile for ${target}: the base binary could not be downloaded`,
    `  file    ${url.slice(url.lastIndexOf("/") + 1)} of Deno ${Deno.version.deno}`,
    `  from    ${url}`,
    `  reason  ${reasons.at(-1) ?? "not said"}`,
    `  hint    open the way to ${
      new URL(url).host
    }, or fetch that file elsewhere, unpack it and name the program in it:`,
    `          DENORT_BIN=<path of denort> deno task compile --target ${target}`,
    `          or make one of packages of npm: deno task dist --target ${target}`,
  ].join("\n");
}

/** Reads the command line. @throws {TypeError} on an unknown option or target. */
export function readCommandLine(args: string[]): { targets: readonly string[]; out: string } {
  const options = { target: { type: "string", multiple: true }, out: { type: "string", default: "dist" } } as const;
  const { values } = parseArgs({ args, options });
  const targets = values.target ?? TARGETS;
  const unknown = targets.find((target) => !(TARGETS as readonly string[]).includes(target));
  if (unknown !== undefined) throw new TypeError(`Unknown target "${unknown}": expected one of ${TARGETS.join(", ")}`);
  if (Deno.env.has("DENORT_BIN") && targets.length !== 1) {
    throw new TypeError("DENORT_BIN names the base binary of one target: say which with --target");
  }
  return { targets, out: values.out };
}

/** Compiles for one target, passing on what Deno prints; answers whether there is a program now that is Usher. */
async function compile(options: CompileOptions): Promise<boolean> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: compileArguments(options),
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stderr);
  const explanation = code === 0 ? undefined : explainFailure(options.target, text);
  await print(explanation ?? (new TextDecoder().decode(stdout) + text).trim());
  if (code !== 0) return false;
  const program = `${resolve(fileURLToPath(ROOT), options.out)}/usher-${options.target}${
    options.target.includes("windows") ? ".exe" : ""
  }`;
  const problem = options.target === Deno.build.target ? await tryProgram(program) : await judgeBase(program);
  if (problem === null) return true;
  await Deno.remove(program);
  await print(
    [
      `Cannot compile for ${options.target}: what came out is not Usher, and was removed`,
      `  reason  ${problem}`,
      `  hint    DENORT_BIN has to name denort of Deno ${Deno.version.deno} for ${options.target}, not the deno program;`,
      `          or make one of packages of npm: deno task dist --target ${options.target}`,
    ].join("\n"),
  );
  return false;
}

/** Long enough for a machine that is busy. */
const TRY_TIMEOUT_MS = 60_000;

/**
 * Runs a program in an empty folder, and says why it is not Usher; `null` where it is: it tells Usher's version, and checks the
 * configuration that it carries along.
 */
export async function tryProgram(program: string): Promise<string | null> {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const cwd = await Deno.makeTempDir();
  const trials: [args: string[], expected: RegExp][] = [
    [["version"], new RegExp(`^${version.replaceAll(".", "\\.")}\\n$`)],
    [["check", "--skip-ports"], / is valid: /],
  ];
  try {
    for (const [args, expected] of trials) {
      const signal = AbortSignal.timeout(TRY_TIMEOUT_MS);
      // Where a program unpacks itself, it leaves nothing behind.
      const options = { args, cwd, env: { NO_COLOR: "1", USHER_UNPACK_DIR: cwd }, signal } as const;
      const { success, stdout, stderr } = await new Deno.Command(resolve(program), options).output();
      const said = new TextDecoder().decode(stdout);
      if (success && expected.test(said)) continue;
      const [line = ""] = (new TextDecoder().decode(stderr) + said).trim().split("\n");
      return `\`${args.join(" ")}\` does not work: ${line.slice(0, 200)}`;
    }
    return null;
  } catch (error) {
    return `it cannot be run: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

/** A text of the command line of `deno`, which `denort` has not. */
const DENO_ALONE = "Start the language server";

/** Says why a program for another machine, which cannot be run here, is not Usher; `null` where nothing speaks against it. */
export async function judgeBase(program: string): Promise<string | null> {
  const bytes = await Deno.readFile(program);
  const isDeno = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(DENO_ALONE);
  return isDeno ? "it holds the deno program in place of denort" : null;
}

async function print(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n\n`));
}

async function main(): Promise<void> {
  try {
    const { targets, out } = readCommandLine(Deno.args);
    const failed: string[] = [];
    for (const target of targets) if (!await compile({ target, out })) failed.push(target);
    await print(
      `compiled ${targets.length - failed.length} of ${targets.length} targets${
        failed.length > 0 ? `, not: ${failed.join(", ")}` : ""
      }`,
    );
    Deno.exitCode = failed.length > 0 ? 1 : 0;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    await print(error.message);
    Deno.exitCode = 2;
  }
}

if (import.meta.main) await main();
