/**
 * Makes one program an architecture, below `dist/`, from packages of npm alone: `deno task dist [--target TRIPLE]… [--out FOLDER]`.
 * It is for where `deno compile` finds no base binary. The program is a script with an archive behind it: Usher as one bundle, and
 * the `deno` of npm's package for that platform. It unpacks itself once and starts from there.
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { tryProgram, V8_FLAGS } from "./compile.ts";

/** Targets that a program can be made for, and the package with the `deno` of each. */
export const PLATFORM_PACKAGES: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "@deno/linux-x64-glibc",
  "aarch64-unknown-linux-gnu": "@deno/linux-arm64-glibc",
  "x86_64-apple-darwin": "@deno/darwin-x64",
  "aarch64-apple-darwin": "@deno/darwin-arm64",
};

const ROOT = new URL("../", import.meta.url);

/** As in `deno.json`, which the program does not have beside it. */
const UNSTABLE = ["kv", "net", "no-legacy-abort", "worker-options"];
const PERMISSIONS = [
  "--allow-net",
  "--allow-read",
  "--allow-env",
  "--allow-write",
  "--allow-sys=statfs,systemMemoryInfo",
];

/** Something that is missing, said for whoever builds. */
class BuildError extends Error {}

/** What the start of a program is made of. */
export interface LauncherOptions {
  readonly version: string;
  readonly target: string;
  /** Digest of the archive, so that no program starts what another one has unpacked. */
  readonly digest: string;
}

/** The script that the archive follows. It needs `sh`, `tail`, `tar` and `gzip`. */
export function launcher({ version, target, digest }: LauncherOptions): string {
  const flags = [...UNSTABLE.map((name) => `--unstable-${name}`), V8_FLAGS, ...PERMISSIONS].join(" ");
  const lines = [
    "#!/bin/sh",
    `# Usher ${version} for ${target}, with its runtime: it unpacks itself once, into USHER_UNPACK_DIR or ~/.cache/usher.`,
    "set -eu",
    "base=${USHER_UNPACK_DIR:-}",
    'if [ -z "$base" ] && [ -n "${XDG_CACHE_HOME:-}" ]; then base=$XDG_CACHE_HOME/usher; fi',
    'if [ -z "$base" ] && [ -n "${HOME:-}" ]; then base=$HOME/.cache/usher; fi',
    'refuse() { echo "usher: cannot unpack itself into ${1:-a home folder}: set USHER_UNPACK_DIR" >&2; exit 1; }',
    '[ -n "$base" ] || refuse ""',
    `home=$base/${version}-${digest}`,
    'if [ ! -x "$home/deno" ]; then',
    "  part=$home.$$",
    '  mkdir -p "$part" || refuse "$base"',
    `  if ! tail -n +@LINES@ "$0" | tar -xzof - -C "$part"; then rm -rf "$part"; refuse "$base"; fi`,
    "  # Where two start at once, the first that is done has its way.",
    '  if [ -x "$home/deno" ] || ! mv "$part" "$home"; then rm -rf "$part"; fi',
    '  rm -rf "$home/${part##*/}"',
    "fi",
    "DENO_DIR=$home/cache DENO_NO_UPDATE_CHECK=1",
    "MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-2} MALLOC_MMAP_THRESHOLD_=${MALLOC_MMAP_THRESHOLD_:-131072}",
    "export DENO_DIR DENO_NO_UPDATE_CHECK MALLOC_ARENA_MAX MALLOC_MMAP_THRESHOLD_",
    `exec "$home/deno" run --quiet --no-config --no-lock --no-prompt --no-code-cache ${flags} "$home/main.js" "$@"`,
  ];
  return lines.join("\n").replace("@LINES@", String(lines.length + 1)) + "\n";
}

/** Reads the command line. @throws {TypeError} on an unknown option or target */
export function readCommandLine(args: string[]): { targets: readonly string[]; out: string } {
  const options = { target: { type: "string", multiple: true }, out: { type: "string", default: "dist" } } as const;
  const { values } = parseArgs({ args, options });
  const known = Object.keys(PLATFORM_PACKAGES);
  const targets = values.target ?? known;
  const unknown = targets.find((target) => !known.includes(target));
  if (unknown !== undefined) throw new TypeError(`Unknown target "${unknown}": expected one of ${known.join(", ")}`);
  return { targets, out: values.out };
}

/** Runs a program to its end. @throws {BuildError} where it fails */
async function run(program: string, args: readonly string[], what: string): Promise<void> {
  const options = { args: [...args], cwd: ROOT, env: { NO_COLOR: "1" } };
  const { success, stdout, stderr } = await new Deno.Command(program, options).output();
  if (success) return;
  const said = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  throw new BuildError(`${what}:\n${said.trim().split("\n").slice(-10).join("\n")}`);
}

/** Puts the `deno` of a target into a folder: this machine's own is at hand, the others are packages of npm. */
async function takeRuntime(target: string, folder: string): Promise<void> {
  if (target === Deno.build.target) return await Deno.copyFile(Deno.execPath(), `${folder}/deno`);
  const name = `${PLATFORM_PACKAGES[target]}@${Deno.version.deno}`;
  const packages = await Deno.makeTempDir();
  try {
    await run("npm", ["pack", name, "--pack-destination", packages, "--silent"], `Cannot get ${name} from npm`);
    const archive = [...Deno.readDirSync(packages)][0]!.name;
    const unpack = ["-xzf", `${packages}/${archive}`, "-C", folder, "--strip-components=1", "package/deno"];
    await run("tar", unpack, `Cannot unpack ${name}`);
    await Deno.chmod(`${folder}/deno`, 0o755);
  } finally {
    await Deno.remove(packages, { recursive: true });
  }
}

/** Makes the program of a target; answers its path. */
async function build(target: string, bundle: string, out: string): Promise<string> {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const folder = await Deno.makeTempDir();
  try {
    await Deno.copyFile(bundle, `${folder}/main.js`);
    await Deno.copyFile(new URL("config.example.yaml", ROOT), `${folder}/config.example.yaml`);
    await takeRuntime(target, folder);
    const archive = `${folder}/all.tar`;
    const files = ["deno", "main.js", "config.example.yaml"];
    await run("tar", ["-cf", archive, "-C", folder, ...files], "Cannot make the archive");
    // A higher level takes twice the time to save one byte in twenty.
    const bytes = gzipSync(await Deno.readFile(archive), { level: 3 });
    const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    const program = `${out}/usher-${target}`;
    await Deno.mkdir(out, { recursive: true });
    using file = await Deno.open(program, { write: true, create: true, truncate: true });
    await writeAll(file, new TextEncoder().encode(launcher({ version, target, digest })));
    await writeAll(file, bytes);
    await Deno.chmod(program, 0o755);
    return program;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

async function main(): Promise<void> {
  const { targets, out } = readCommandLine(Deno.args);
  const scratch = await Deno.makeTempDir();
  try {
    const bundle = `${scratch}/main.js`;
    await run(Deno.execPath(), ["bundle", "--frozen", "--output", bundle, "main.ts"], "Cannot bundle main.ts");
    for (const target of targets) {
      const program = await build(target, bundle, out);
      const isOwn = target === Deno.build.target;
      const problem = isOwn ? await tryProgram(program) : null;
      if (problem !== null) {
        await Deno.remove(program);
        throw new BuildError(`What came out for ${target} is not Usher, and was removed: ${problem}`);
      }
      const { size } = await Deno.stat(program);
      await print(
        `${program}  ${(size / 1e6).toFixed(0)} MB  ${isOwn ? "runs" : "not run: it is for another machine"}`,
      );
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function print(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof BuildError)) throw error;
    await print(error.message);
    Deno.exit(error instanceof TypeError ? 2 : 1);
  }
}
