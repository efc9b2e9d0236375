import assert from "node:assert/strict";
import type { Config } from "../../lib/config/config.ts";
import { loadConfig, type LoadDependencies, type LoadResult } from "../../lib/config/load.ts";
import type { FolderEntry } from "../../lib/config/yaml/read_text.ts";
import { formatLocated } from "../../lib/config/yaml/located.ts";

/** What a test's file finds around it. */
export interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  /** Files beside the configuration, by absolute path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Permission bits of files, by absolute path; others have none. */
  readonly modes?: Readonly<Record<string, number>>;
  /** What keeps folders from being read, by absolute path. */
  readonly unreadable?: Readonly<Record<string, string>>;
  /** Whether the process may load native code. */
  readonly mayLoadAddons?: boolean;
}

/** A pool and a listener that are sound, to put a test's own lines before. */
export const SOUND = `
pools:
  a: { type: custom, upstreams: [https://one.example] }
listeners:
  - { name: a, pool: a }
`;

/** Loads `text` as config.yaml in the directory /etc/usher. */
export function loadText(
  text: string,
  { env = {}, files = {}, modes = {}, unreadable = {}, mayLoadAddons }: Surroundings = {},
): Promise<LoadResult> {
  const all: Record<string, string> = { ...files, "/etc/usher/config.yaml": text };
  const deps: LoadDependencies = {
    readTextFile(path) {
      const found = all[path];
      return found === undefined ? Promise.reject(new Deno.errors.NotFound(path)) : Promise.resolve(found);
    },
    fileMode: (path) => Promise.resolve(modes[path] ?? null),
    listFolder: (path) => listed(Object.keys(all), path),
    folderProblem: (path) => Promise.resolve(unreadable[path] ?? null),
    env: (name) => Object.hasOwn(env, name) ? env[name] : undefined,
    cores: 4,
    mayLoadAddons,
    cwd: "/etc/usher",
  };
  return loadConfig("config.yaml", deps);
}

/** The names below a folder, which is there where a file or `.keep` is in it. */
function listed(paths: readonly string[], folder: string): Promise<FolderEntry[]> {
  if (paths.includes(folder)) return Promise.reject(new Deno.errors.NotADirectory(folder));
  const below = paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1));
  if (below.length === 0) return Promise.reject(new Deno.errors.NotFound(folder));
  const names = new Map(below.map((path) => [path.split("/", 1)[0]!, path.includes("/")]));
  return Promise.resolve([...names].map(([name, isDirectory]) => ({ name, isDirectory })));
}

/** The configuration of a sound file. */
export async function configOf(text: string, around?: Surroundings): Promise<Config> {
  const result = await loadText(text, around);
  assert.ok(result.ok, result.ok ? "" : result.problems.map(formatLocated).join("\n"));
  return result.config;
}

/** The lines that a file with mistakes gives, without the file's name. */
export async function problemsOf(text: string, around?: Surroundings): Promise<string[]> {
  const result = await loadText(text, around);
  return result.ok ? [] : result.problems.map((problem) => formatLocated(problem).replace(/^config\.yaml:/, ""));
}

/** The warnings of a sound file, without the file's name. */
export async function warningsOf(text: string, around?: Surroundings): Promise<string[]> {
  const result = await loadText(text, around);
  assert.ok(result.ok, result.ok ? "" : result.problems.map(formatLocated).join("\n"));
  return result.warnings.map((warning) => formatLocated(warning).replace(/^config\.yaml:/, ""));
}
