import type { Lookup } from "./interpolate.ts";
import type { LoadDependencies } from "../load_result.ts";
import type { ParsedText } from "./parse.ts";
import { explainReadError } from "./read_text.ts";
import { referencedFiles } from "./tree.ts";

/** Files that `${file:…}` may name in one configuration. */
const MAX_REFERENCED_FILES = 100;

/** Longest secret that is taken from a file, in UTF-16 units. */
const MAX_SECRET_LENGTH = 64 * 1024;

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

/** Reads every file that the document refers to, so that building the tree needs no waiting. */
export async function prepareLookup(parsed: ParsedText, deps: LoadDependencies): Promise<Lookup> {
  const files = new Map<string, FileText>();
  for (const path of referencedFiles(parsed, MAX_REFERENCED_FILES)) files.set(path, await readSecret(path, deps));
  return {
    env: (name) => readVariable(name, deps),
    file: (path) => files.get(path) ?? { problem: `it is one of more than ${MAX_REFERENCED_FILES} files` },
  };
}
