import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { loadConfig, type LoadResult } from "../../lib/config/load.ts";
import { fileMode, readText } from "../../lib/config/read_text.ts";
import { balancerNames } from "../../lib/pool/balancer_registry.ts";
import { refusedCheck, upstreamTypeNames } from "../../lib/upstream_type/registry.ts";
import { fail } from "./terminal.ts";

/** Names that a configuration may use for types and strategies. */
export const NAMES = { types: upstreamTypeNames, strategies: balancerNames, refusedCheck };

/** Reads and checks a configuration file. */
export function load(path: string): Promise<LoadResult> {
  return loadConfig(path, {
    ...NAMES,
    readTextFile: readText,
    fileMode,
    env: (name) => Deno.env.get(name),
    cores: navigator.hardwareConcurrency,
    cwd: Deno.cwd(),
    mayLoadAddons: Deno.permissions.querySync({ name: "ffi" }).state === "granted",
  });
}

/** The file that is used where none is named. */
export function defaultConfig(command: string): string {
  if (
    !["start", "check", "doctor", "explain", "health", "purge", "prewarm"].includes(command) || exists("config.yaml")
  ) {
    return "config.yaml";
  }
  if (command === "start") {
    fail("There is no config.yaml: using config.example.yaml. Copy it to config.yaml and make it yours.");
  }
  if (exists("config.example.yaml")) return "config.example.yaml";
  // A compiled program carries the example along.
  return fileURLToPath(new URL("../../config.example.yaml", import.meta.url));
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
