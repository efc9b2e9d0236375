import { resolve } from "node:path";
import { examine } from "./examine.ts";
import type { LoadDependencies, LoadResult } from "./load_result.ts";
import { prepareLookup } from "./yaml/lookup.ts";
import { parseText } from "./yaml/parse.ts";
import { explainReadError } from "./yaml/read_text.ts";
import { buildTree } from "./yaml/tree.ts";

export type { LoadDependencies, LoadResult } from "./load_result.ts";

/** A result with one problem about the file as a whole. */
function wholeFile(file: string, message: string): LoadResult {
  return { ok: false, file, problems: [{ file, line: 0, column: 0, path: "", message }] };
}

/** The file's text, or why there is none. */
async function readConfigText(path: string, deps: LoadDependencies): Promise<{ text: string } | { problem: string }> {
  try {
    const text = await (deps.ownText ?? (() => deps.readTextFile(path)))();
    // A reader that replaces what is not UTF-8 leaves this mark.
    return text.includes("\ufffd") ? { problem: "it is not UTF-8 text" } : { text };
  } catch (error) {
    return { problem: explainReadError(error) };
  }
}

/**
 * Reads a configuration file: text, values, schema, meaning. Never throws because of what a file holds: every mistake comes back
 * with its place, all of them at once. Problems name the file as `path` does.
 */
export async function loadConfig(path: string, dependencies: LoadDependencies): Promise<LoadResult> {
  const { cwd, readTextFile, fileMode } = dependencies;
  const deps = {
    ...dependencies,
    readTextFile: (name: string) => readTextFile(resolve(cwd, name)),
    fileMode: (name: string) => fileMode?.(resolve(cwd, name)) ?? Promise.resolve(null),
  };
  const read = await readConfigText(path, deps);
  if ("problem" in read) return wholeFile(path, `cannot read the configuration: ${read.problem}`);
  const parsed = parseText(read.text);
  if (!parsed.ok) {
    return {
      ok: false,
      file: path,
      problems: parsed.problems.map((problem) => ({ file: path, path: "", ...problem })),
    };
  }
  if (parsed.contents === null) {
    return wholeFile(path, "the file is empty or holds only comments: expected `pools` and `listeners`");
  }
  const tree = buildTree(parsed, await prepareLookup(parsed, deps));
  return await examine({ file: path, tree }, deps);
}
