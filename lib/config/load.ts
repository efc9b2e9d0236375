import { resolve } from "node:path";
import { formatListenAddress, isUnix, type ListenAddress } from "./addresses.ts";
import { checkFile } from "./check_file.ts";
import { type Config, configOf, fileSchema, type FileValues } from "./config.ts";
import { tracingEnvironment } from "./tracing_environment.ts";
import { findIncluded, includeKey, type ListFolder } from "./include.ts";
import { checkLibraries } from "./prewarm.ts";
import { checkOpenFiles } from "./open_files.ts";
import type { Lookup } from "./yaml/interpolate.ts";
import { reportIssues } from "./yaml/issues.ts";
import { joinTrees, type Part } from "./yaml/joined_tree.ts";
import type { Located, Path } from "./yaml/located.ts";
import { type ParsedText, parseText } from "./yaml/parse.ts";
import { Problems } from "./yaml/problems.ts";
import { explainReadError } from "./yaml/read_text.ts";
import { buildTree, isMapping, newValueBudget, referencedFiles, type Tree, type ValueBudget } from "./yaml/tree.ts";

/** Files that `${file:…}` may name in one configuration. */
const MAX_REFERENCED_FILES = 500;

/** Text of all files of one configuration together, in UTF-16 units. */
const MAX_TEXT_OF_ALL = 8 * 1024 * 1024;

/** Longest secret that is taken from a file, in UTF-16 units. */
const MAX_SECRET_LENGTH = 64 * 1024;

/** What loading takes from outside. */
export interface LoadDependencies {
  /** The text of a file; `readText` in read_text.ts bounds it. Rejects as `Deno.readTextFile` does. */
  readonly readTextFile: (path: string) => Promise<string>;
  /** Permission bits of a file; `null` where the system has none. Left out, keys may be read by anybody. */
  readonly fileMode?: (path: string) => Promise<number | null>;
  /** Lists a folder that is included; left out, there are none. */
  readonly listFolder?: ListFolder;
  /** What keeps a folder from being read; `null` for nothing. Left out, folders are not looked at. */
  readonly folderProblem?: (path: string) => Promise<string | null>;
  /**
   * The configuration's own text, where it is in no file.
   * @default the text of the file
   */
  readonly ownText?: () => Promise<string>;
  /** An environment variable; `undefined` where it is not set. */
  readonly env: (name: string) => string | undefined;
  /** Cores of the machine, for `workers: auto`. */
  readonly cores: number;
  /** Directory that relative paths start from, absolute. */
  readonly cwd: string;
  /**
   * Whether the process may load native code, which pictures are converted by.
   * @default true
   */
  readonly mayLoadAddons?: boolean;
}

/** An address that the configuration asks to listen on, with its place in the file. */
export interface ListeningPlace extends Omit<Located, "message"> {
  readonly address: ListenAddress;
  /** What stands in the file, as a message may show it. */
  readonly found: string;
}

/** A sound configuration. */
export interface Loaded {
  readonly ok: true;
  readonly file: string;
  readonly config: Config;
  /** What it is made of: the keys of the file with their values and defaults. */
  readonly values: FileValues;
  /** What works but is most likely not meant. */
  readonly warnings: readonly Located[];
  /** Every address to listen on with its place, for `portsInUse`. */
  readonly listening: readonly ListeningPlace[];
  /** Where a value stands in the file. */
  readonly placeOf: (path: Path) => Omit<Located, "message">;
}

/** What a sound file says, as far as it is remembered while its configuration is in force. */
export type LoadedFile = Pick<Loaded, "values" | "placeOf">;

/** A file with mistakes. */
export interface NotLoaded {
  readonly ok: false;
  readonly file: string;
  /** Every mistake, in the order of the file. */
  readonly problems: readonly Located[];
}

/** A configuration, or everything that is wrong with the file. */
export type LoadResult = Loaded | NotLoaded;

/**
 * Reads a configuration file: text, values, schema, meaning. Never throws because of what a file holds: every mistake comes back
 * with its place, all of them at once. Problems name the file as `path` does.
 */
export async function loadConfig(path: string, dependencies: LoadDependencies): Promise<LoadResult> {
  const { cwd, readTextFile, fileMode, listFolder } = dependencies;
  const deps = {
    ...dependencies,
    readTextFile: (name: string) => readTextFile(resolve(cwd, name)),
    fileMode: (name: string) => fileMode?.(resolve(cwd, name)) ?? Promise.resolve(null),
    listFolder: (name: string) => listFolder?.(resolve(cwd, name)) ?? Promise.reject(new Deno.errors.NotFound()),
  };
  const reader = new FileReader(deps);
  const main = await reader.read(path, deps.ownText);
  if (Array.isArray(main)) return { ok: false, file: path, problems: main };
  if (main.tree.valuePosition([]) === undefined) {
    return wholeFile(path, "the file is empty or holds only comments: expected `pools` and `listeners`");
  }
  const included = await includedTrees(main, reader, deps);
  if ("problems" in included) return { ok: false, file: path, problems: included.problems };
  return await examine(Problems.of(path, included.tree), [path, ...included.files], deps);
}

/** The main file's tree with what it includes, or what is wrong with that. */
async function includedTrees(
  main: Part,
  reader: FileReader,
  { cwd, listFolder }: Pick<LoadDependencies, "cwd"> & Required<Pick<LoadDependencies, "listFolder">>,
): Promise<{ tree: Tree; files: readonly string[] } | { problems: readonly Located[] }> {
  const { file, tree } = main;
  const patterns = includeKey.safeParse(isMapping(tree.root) ? tree.root.include : undefined);
  if (!patterns.success || patterns.data.length === 0) return { tree, files: [] };
  const found = await findIncluded(patterns.data, { main: file, cwd, listFolder });
  const mistakes = Problems.of(file, tree);
  for (const { index, expected } of found.problems) mistakes.expect(["include", index], expected);
  if (found.problems.length > 0) return { problems: mistakes.list() };
  const parts: Part[] = [];
  const problems: Located[] = [];
  for (const name of found.files) {
    const part = await reader.read(name);
    if (Array.isArray(part)) problems.push(...part);
    else parts.push(part);
  }
  return problems.length > 0 ? { problems } : { tree: joinTrees(main, parts), files: found.files };
}

/** Reads the files of one configuration, within what they may hold together. */
class FileReader {
  readonly #deps: LoadDependencies;
  readonly #secrets = new Map<string, FileText>();
  readonly #values: ValueBudget = newValueBudget();
  #textLeft = MAX_TEXT_OF_ALL;

  constructor(deps: LoadDependencies) {
    this.#deps = deps;
  }

  /** A file's values, or what keeps it from being read as YAML. */
  async read(file: string, ownText?: () => Promise<string>): Promise<Part | Located[]> {
    const read = await readConfigText(ownText ?? (() => this.#deps.readTextFile(file)));
    if ("problem" in read) return wholeFile(file, `cannot read the configuration: ${read.problem}`).problems;
    this.#textLeft -= read.text.length;
    if (this.#textLeft < 0) {
      return wholeFile(file, `all files together hold more than ${MAX_TEXT_OF_ALL} characters`).problems;
    }
    const parsed = parseText(read.text);
    if (!parsed.ok) return parsed.problems.map((problem) => ({ file, path: "", ...problem }));
    return { file, tree: buildTree(parsed, await this.#lookup(parsed), this.#values) };
  }

  /** Reads every file that the document refers to, so that building the tree needs no waiting. */
  async #lookup(parsed: ParsedText): Promise<Lookup> {
    for (const path of referencedFiles(parsed, MAX_REFERENCED_FILES)) {
      if (this.#secrets.size === MAX_REFERENCED_FILES) break;
      if (!this.#secrets.has(path)) this.#secrets.set(path, await readSecret(path, this.#deps));
    }
    return {
      env: (name) => readVariable(name, this.#deps),
      file: (path) => this.#secrets.get(path) ?? { problem: `it is one of more than ${MAX_REFERENCED_FILES} files` },
    };
  }
}

/** A result with one problem about the file as a whole. */
function wholeFile(file: string, message: string): NotLoaded & { readonly problems: Located[] } {
  return { ok: false, file, problems: [{ file, line: 0, column: 0, path: "", message }] };
}

/** The file's text, or why there is none. */
async function readConfigText(read: () => Promise<string>): Promise<{ text: string } | { problem: string }> {
  try {
    const text = await read();
    // A reader that replaces what is not UTF-8 leaves this mark.
    return text.includes("\ufffd") ? { problem: "it is not UTF-8 text" } : { text };
  } catch (error) {
    return { problem: explainReadError(error) };
  }
}

type FileText = ReturnType<Lookup["file"]>;

/** One secret's text, or what is wrong with its file. */
async function readSecret(path: string, deps: LoadDependencies): Promise<FileText> {
  try {
    const text = await deps.readTextFile(path);
    return text.length <= MAX_SECRET_LENGTH
      ? { text }
      : { problem: `it is longer than ${MAX_SECRET_LENGTH} characters` };
  } catch (error) {
    return { problem: explainReadError(error) };
  }
}

/** An environment variable; one that the process may not read is as good as not set. */
function readVariable(name: string, deps: LoadDependencies): string | undefined {
  try {
    return deps.env(name);
  } catch {
    return undefined;
  }
}

/** Checks a file's values: the schema, then on what is sound what no key can tell alone. Makes the configuration of them. */
async function examine(
  problems: Problems,
  all: readonly string[],
  deps: LoadDependencies & Required<Pick<LoadDependencies, "fileMode">>,
): Promise<LoadResult> {
  const { file, tree } = problems;
  const { cwd, cores, mayLoadAddons = true } = deps;
  const result = fileSchema.safeParse(tree.root);
  if (!result.success) reportIssues(result.error.issues, problems);
  const tracing = tracingEnvironment((name) => readVariable(name, deps));
  const files = await checkFile(problems, { reading: deps, cwd, mayLoadAddons, tracing });
  await checkOpenFiles(problems, all, deps.fileMode);
  const found = problems.list();
  if (found.length > 0 || !result.success) return { ok: false, file, problems: found };
  const config = configOf(result.data, { cores, cwd, tracing, ...files });
  await checkLibraries(config.listeners, problems, deps.folderProblem);
  return {
    ok: true,
    file,
    config,
    values: result.data,
    warnings: problems.warnings(),
    listening: listeningPlaces(config, problems),
    placeOf: (path) => problems.locate(path),
  };
}

/** Every address of a configuration once, the admin address first. */
function listeningPlaces(config: Config, problems: Problems): ListeningPlace[] {
  const places = new Map<string, ListeningPlace>();
  const note = (address: ListenAddress, path: readonly PropertyKey[]) => {
    const key = formatListenAddress(address);
    const isGiven = problems.given(path).length === path.length;
    const found = !isGiven ? `${key} (the default)` : isUnix(address) ? key : problems.found(path);
    if (!places.has(key)) places.set(key, { ...problems.locate(path), address, found });
  };
  note(config.admin.listen, ["admin", "listen"]);
  for (const [index, listener] of config.listeners.entries()) note(listener.listen, ["listeners", index, "listen"]);
  for (const [index, proxy] of config.forwardProxies.entries()) {
    note(proxy.listen, ["forward_proxies", index, "listen"]);
  }
  return [...places.values()];
}
