import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import { loadConfig, type LoadResult } from "../../lib/config/load.ts";
import { fileMode, readText } from "../../lib/config/yaml/read_text.ts";
import { STANDARD_INPUT } from "./config_path.ts";
import { standardInput } from "./standard_input.ts";

/** Reads and checks a configuration: of a file, or of standard input where `configFile` says so. `env` reads a variable. */
export function load(path: string, env: (name: string) => string | undefined = readEnv): Promise<LoadResult> {
  return loadConfig(path, {
    ownText: path === STANDARD_INPUT ? standardInput : undefined,
    readTextFile: readText,
    fileMode,
    env,
    cores: navigator.hardwareConcurrency,
    cwd: Deno.cwd(),
    mayLoadAddons: Deno.permissions.querySync({ name: "ffi" }).state === "granted",
  });
}
