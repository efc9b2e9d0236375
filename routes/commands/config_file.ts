import { Buffer } from "node:buffer";
import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import type { ConfigSources } from "../../lib/workers/supervisor/config_sources.ts";
import { loadConfig, type LoadResult } from "../../lib/config/load.ts";
import {
  fileMode,
  folderProblem,
  listFolder,
  MAX_FILE_BYTES,
  readText,
  UnusableFile,
} from "../../lib/config/yaml/read_text.ts";
import { STANDARD_INPUT } from "./config_path.ts";

/** How a configuration is read. */
export interface LoadOptions {
  /** Reads a variable. */
  readonly env?: (name: string) => string | undefined;
  /** Where what it is read from is noted. */
  readonly sources?: ConfigSources;
}

/** Reads and checks a configuration: of a file, or of standard input where `configFile` says so. */
export function load(path: string, { env = readEnv, sources }: LoadOptions = {}): Promise<LoadResult> {
  const reading = { readTextFile: readText, listFolder };
  return loadConfig(path, {
    ...sources?.noting(reading) ?? reading,
    ownText: path === STANDARD_INPUT ? standardInput : undefined,
    fileMode,
    folderProblem,
    env,
    cores: navigator.hardwareConcurrency,
    cwd: Deno.cwd(),
    mayLoadAddons: Deno.permissions.querySync({ name: "ffi" }).state === "granted",
  });
}

let input: Promise<string> | null = null;

/**
 * The text of a configuration that comes from standard input. It can be read once: a reload takes the same text, with the files and
 * variables that it names as they are then.
 *
 * @throws {UnusableFile} where it is too large or not UTF-8
 */
export function standardInput(): Promise<string> {
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
