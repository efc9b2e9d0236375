import { relative, resolve } from "node:path";
import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import { fail } from "./terminal.ts";

/** What a configuration that comes from standard input (`--config -`) is called in messages. */
export const STANDARD_INPUT = "standard input";

/** The configuration that a command uses: the file that was named, standard input for `-`, else that of {@linkcode defaultConfig}. */
export function configFile(command: string, given: string | undefined): string {
  if (given === "-") return STANDARD_INPUT;
  return given === undefined ? defaultConfig(command) : shown(typedPath(given));
}

/** The file that is used where none is named: a container and a service name theirs in `USHER_CONFIG`. */
function defaultConfig(command: string): string {
  const ofMachine = readEnv("USHER_CONFIG");
  if (ofMachine) return shown(resolve(ofMachine));
  if (isFile("config.yaml")) return "config.yaml";
  if (command === "start") {
    fail("There is no config.yaml: using config.example.yaml. Copy it to config.yaml and make it yours.");
  }
  return isFile("config.example.yaml") ? "config.example.yaml" : carriedExample();
}

/** A program carries the example along: one that was compiled where it stands among the sources, a bundle beside itself. */
function carriedExample(): string {
  const folder = import.meta.dirname ?? ".";
  const among = resolve(folder, "../../config.example.yaml");
  return isFile(among) ? among : resolve(folder, "config.example.yaml");
}

/** Files that a running gateway may have been started with, as absolute paths: where none is named, all that a start would take. */
export function startedWith(given: string | undefined): string[] {
  if (given !== undefined) return [resolve(configFile("", given))];
  const ofMachine = readEnv("USHER_CONFIG");
  const names = ofMachine ? [ofMachine] : ["config.yaml", "config.example.yaml", carriedExample()];
  return names.map((name) => resolve(name));
}

/** A path as the user means it: `deno task` runs in the project's folder; a path that the user typed means the folder they typed it in. */
export function typedPath(path: string): string {
  return resolve(readEnv("INIT_CWD") ?? Deno.cwd(), path);
}

/** A path as it is shown: below the working directory a short path reads better in messages. */
export function shown(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short.startsWith("..") ? path : short;
}

/** Whether there is a file at a path. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
