import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { isMapping, type TreeValue } from "./yaml/tree.ts";

const OTHERS_READ = 0o004;

/** Keys whose values, or the values below them, are secrets. */
const SECRETS: ReadonlySet<string> = new Set(["token", "tokens", "api_keys", "eab", "headers"]);

/** Keys of fields that go to upstreams, peers or a collector. */
const FIELDS: ReadonlySet<string> = new Set(["fields", "set", "add", "headers"]);

/** Names of fields and parameters that carry credentials. */
const CREDENTIAL = /^(?:proxy-)?authorization$|cookie$|key$|token$|secret$|password$/i;

/** A URL with a name and a password. */
const USER_INFORMATION = /:\/\/[^/?#@\s]+@/;

/**
 * Warns, once a file, of secrets that stand in a file which every user of the machine may read. What comes from the environment or
 * another file does not stand in it.
 */
export async function checkOpenFiles(
  problems: Problems,
  files: readonly string[],
  fileMode: (path: string) => Promise<number | null>,
): Promise<void> {
  const modes = new Map<string, number>();
  for (const file of files) {
    const mode = await fileMode(file).catch(() => null);
    if (mode !== null && (mode & OTHERS_READ) !== 0) modes.set(file, mode & 0o7777);
  }
  if (modes.size === 0) return;
  for (const path of literalSecrets(problems.tree.root, [])) {
    const { file } = problems.locate(path);
    const mode = modes.get(file);
    if (mode === undefined) continue;
    modes.delete(file);
    const octal = mode.toString(8).padStart(4, "0");
    const because = `the secret stands in a file that every user of this machine may read (its mode is ${octal})`;
    problems.warn(path, `${because}: chmod 640 ${file}, or take it from \${NAME} or \${file:…}`);
  }
}

/** The places of secrets that are written out. */
function* literalSecrets(value: TreeValue, path: Path): Generator<Path> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* literalSecrets(item, [...path, index]);
  } else if (isMapping(value)) {
    for (const [key, item] of Object.entries(value)) yield* literalSecrets(item, [...path, key]);
  } else if ((typeof value === "string" || typeof value === "number") && isSecret(String(value), path)) {
    yield path;
  }
}

function isSecret(text: string, path: Path): boolean {
  // Names the user of a cluster's engine: its password cannot stand there.
  if (path.includes("engine")) return false;
  if (USER_INFORMATION.test(text)) return true;
  const names = path.filter((step) => typeof step === "string");
  // A name below `tokens` is the client's, and below `eab` the account's.
  const [last = "", above = ""] = [names.at(-1), names.at(-2)];
  if (last === "name" || last === "role" || last === "kid") return false;
  if (SECRETS.has(last) || SECRETS.has(above)) return text !== "";
  return FIELDS.has(above) && CREDENTIAL.test(last);
}
