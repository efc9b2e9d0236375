import { dirname, isAbsolute, join, normalize, resolve } from "node:path";
import { textGlob } from "../pattern/text_glob.ts";
import { line } from "./yaml/scalars.ts";
import { explainReadError, type FolderEntry } from "./yaml/read_text.ts";
import { oneOrMany } from "./yaml/section.ts";

/** Patterns at most. */
const MAX_PATTERNS = 100;

/** Files that one configuration includes at most. */
export const MAX_INCLUDED_FILES = 1_000;

/** What is said of a path that is no folder. */
const NO_FOLDER = "it is no folder";

/** `include:` */
export const includeKey = oneOrMany(line("path"), MAX_PATTERNS).prefault([]).describe(
  "Files that add pools and listeners: paths, globs (`tenants/*.yaml`; `*` within one name) and folders (their `*.yaml` and " +
    "`*.yml`), relative to this file, sorted by name. They hold `pools` and `listeners` alone.",
);

/** Lists a folder; rejects as `Deno.readDir` does. */
export type ListFolder = (path: string) => Promise<readonly FolderEntry[]>;

/** Where a pattern is looked up. */
export interface IncludeOptions {
  /** The main file, as messages show it; patterns start from its folder. */
  readonly main: string;
  /** Directory that its path starts from, absolute. */
  readonly cwd: string;
  readonly listFolder: ListFolder;
}

/** Files that patterns stand for, or what is wrong: the pattern's place in the list, and what was expected. */
export interface Included {
  /** As messages show them, each once. */
  readonly files: readonly string[];
  readonly problems: readonly { readonly index: number; readonly expected: string }[];
}

/** Finds the files that patterns stand for, in the order of the patterns, those of one pattern sorted by name. Never throws. */
export async function findIncluded(patterns: readonly string[], options: IncludeOptions): Promise<Included> {
  const files = new Set<string>();
  const problems: { index: number; expected: string }[] = [];
  for (const [index, pattern] of patterns.entries()) {
    const found = await filesOf(pattern, options);
    if (typeof found === "string") problems.push({ index, expected: found });
    else for (const file of found) files.add(file);
    if (files.size <= MAX_INCLUDED_FILES) continue;
    problems.push({ index, expected: `at most ${MAX_INCLUDED_FILES} files, all patterns together` });
    break;
  }
  return { files: [...files].slice(0, MAX_INCLUDED_FILES), problems };
}

/** The files of one pattern, or what was expected in its place. */
async function filesOf(pattern: string, options: IncludeOptions): Promise<string[] | string> {
  const { main, cwd, listFolder } = options;
  const path = isAbsolute(pattern) ? normalize(pattern) : join(dirname(main), pattern);
  if (pattern.includes("**")) return "a glob whose * stands for a part of one name: ** is not known";
  if (pattern.includes("*")) return await matching(path, options);
  const entries = await list(path, listFolder);
  if (entries === NO_FOLDER) {
    return resolve(cwd, path) === resolve(cwd, main) ? "another file: this one cannot include itself" : [path];
  }
  if (typeof entries === "string") return `a file or a folder that can be read, but ${entries}`;
  return inFolder(path, entries, isYaml, options);
}

/** The files that a path with wildcards stands for. Its folder up to the first of them has to be there. */
async function matching(path: string, options: IncludeOptions): Promise<string[] | string> {
  const { listFolder } = options;
  const steps = path.split("/");
  const last = steps.pop()!;
  const first = steps.findIndex((step) => step.includes("*"));
  const start = steps.slice(0, first < 0 ? undefined : first).map((step) => `${step}/`).join("");
  const begun = await list(start, listFolder);
  if (typeof begun === "string") return `files of a folder that can be read, but of ${JSON.stringify(start)} ${begun}`;
  let folders = [start];
  for (const step of first < 0 ? [] : steps.slice(first)) {
    folders = (await Promise.all(folders.map((folder) => foldersOf(folder, step, listFolder)))).flat();
  }
  const files: string[] = [];
  for (const folder of folders) {
    const entries = await list(folder, listFolder);
    if (typeof entries !== "string") files.push(...inFolder(folder, entries, matcher(last), options));
  }
  return files;
}

async function foldersOf(folder: string, step: string, listFolder: ListFolder): Promise<string[]> {
  if (!step.includes("*")) return [`${folder}${step}/`];
  const entries = await list(folder, listFolder);
  if (typeof entries === "string") return [];
  const matches = matcher(step);
  const found = entries.filter(({ name, isDirectory }) => isDirectory && matches(name));
  return sorted(found).map((name) => `${folder}${name}/`);
}

function inFolder(
  folder: string,
  entries: readonly FolderEntry[],
  matches: (name: string) => boolean,
  { main, cwd }: IncludeOptions,
): string[] {
  const names = sorted(entries.filter(({ name, isDirectory }) => !isDirectory && matches(name)));
  // A glob beside the main file comes upon that too.
  return names.map((name) => join(folder, name)).filter((path) => resolve(cwd, path) !== resolve(cwd, main));
}

function sorted(entries: readonly FolderEntry[]): string[] {
  return entries.map(({ name }) => name).sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
}

/** As a shell does, a wildcard leaves hidden files alone: those of editors, and of volumes that are swapped as a whole. */
function matcher(glob: string): (name: string) => boolean {
  const compiled = textGlob(glob);
  return (name) => (!name.startsWith(".") || glob.startsWith(".")) && compiled.test(name);
}

function isYaml(name: string): boolean {
  return /^[^.].*\.ya?ml$/.test(name);
}

async function list(path: string, listFolder: ListFolder): Promise<readonly FolderEntry[] | string> {
  try {
    return await listFolder(path || ".");
  } catch (error) {
    return error instanceof Deno.errors.NotADirectory ? NO_FOLDER : explainReadError(error);
  }
}
