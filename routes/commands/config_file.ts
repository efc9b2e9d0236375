import { Buffer } from "node:buffer";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { loadConfig, type LoadResult } from "../../lib/config/load.ts";
import { MAX_FILE_BYTES, readText, UnusableFile } from "../../lib/config/read_text.ts";
import { balancerNames } from "../../lib/pool/balancer_registry.ts";
import { refusedCheck, upstreamTypeNames } from "../../lib/upstream_type/registry.ts";
import { fail } from "./terminal.ts";

/** Names that a configuration may use for types and strategies. */
export const NAMES = { types: upstreamTypeNames, strategies: balancerNames, refusedCheck };

/** What a configuration that comes from standard input (`--config -`) is called in messages. */
const STANDARD_INPUT = "standard input";

/** Reads and checks a configuration: of a file, or of standard input where `configFile` says so. */
export function load(path: string): Promise<LoadResult> {
  return loadConfig(path, {
    ...NAMES,
    ownText: path === STANDARD_INPUT ? standardInput : undefined,
    readTextFile: readText,
    env: (name) => Deno.env.get(name),
    cores: navigator.hardwareConcurrency,
    cwd: Deno.cwd(),
    mayLoadAddons: Deno.permissions.querySync({ name: "ffi" }).state === "granted",
  });
}

/** The configuration that a command uses: the file that was named, standard input for `-`, else that of {@linkcode defaultConfig}. */
export function configFile(command: string, given: string | undefined): string {
  if (given === "-") return STANDARD_INPUT;
  return given === undefined ? defaultConfig(command) : shown(typedPath(given));
}

/** Standard input can be read once: a reload takes the same text, with the files and variables that it names as they are then. */
let input: Promise<string> | null = null;

function standardInput(): Promise<string> {
  return input ??= readStandardInput();
}

async function readStandardInput(): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of Deno.stdin.readable) {
    bytes += chunk.length;
    if (bytes > MAX_FILE_BYTES) throw new UnusableFile(`it is larger than ${MAX_FILE_BYTES / 1024 ** 2}MiB`);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new UnusableFile("it is not UTF-8 text");
  }
}

/** The file that is used where none is named. */
function defaultConfig(command: string): string {
  if (
    !["start", "check", "doctor", "explain", "health", "purge", "prewarm"].includes(command) || exists("config.yaml")
  ) {
    return "config.yaml";
  }
  if (command === "start") {
    fail("There is no config.yaml: using config.example.yaml. Copy it to config.yaml and make it yours.");
  }
  if (exists("config.example.yaml")) return "config.example.yaml";
  // A program carries the example along: one that was compiled where it stands among the sources, a bundle beside itself.
  const carried = ["../../config.example.yaml", "config.example.yaml"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url))
  );
  return carried.find(exists) ?? carried[0]!;
}

/** A path as the user means it: `deno task` runs in the project's folder; a path that the user typed means the folder they typed it in. */
export function typedPath(path: string): string {
  return resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), path);
}

/** A path as it is shown: below the working directory a short path reads better in messages. */
export function shown(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short.startsWith("..") ? path : short;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
