import type { ListenerConfig } from "../../config/listener.ts";

/** Bytes and targets of a file, at most. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** Targets of one job, at most. */
export const MAX_TARGETS = 500_000;
const TARGET = /^(?:\/|https?:\/\/)[^\s#\p{Cc}]*$/iu;

/**
 * The targets that a listener's configuration names, in itself and in its file.
 *
 * @throws {Error} when the file cannot be read, is too large or holds a line that is no target; its message is for the operator
 */
export async function configuredTargets({ hosts, prewarm }: ListenerConfig): Promise<readonly string[]> {
  const listed = prewarm.file === null ? [] : targetsIn(await readBounded(prewarm.file), prewarm.file);
  return withHost([...new Set([...prewarm.targets, ...listed])], hosts);
}

/** Paths as URLs of the listener's first exact host, where it has one: the host may be part of the cache key. */
export function withHost(targets: readonly string[], hosts: readonly string[]): readonly string[] {
  const host = hosts.find((name) => !name.startsWith("*"));
  return host === undefined
    ? targets
    : targets.map((target) => target.startsWith("/") ? `http://${host}${target}` : target);
}

/** The targets in a text, one a line; `#` begins a comment. @throws {Error} naming the line that is none */
export function targetsIn(text: string, name: string): readonly string[] {
  const targets: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const target = line.replace(/(?:^|\s)#.*$/, "").trim();
    if (target === "") continue;
    if (!TARGET.test(target) || target.length > 8192) {
      throw new Error(`${name}:${index + 1}: a path that begins with / or a URL is needed`);
    }
    targets.push(target);
    if (targets.length > MAX_TARGETS) throw new Error(`${name} holds more than ${MAX_TARGETS} paths`);
  }
  return targets;
}

async function readBounded(path: string): Promise<string> {
  const { size } = await Deno.stat(path);
  if (size > MAX_FILE_BYTES) throw new Error(`${path} is larger than ${MAX_FILE_BYTES} bytes`);
  return await Deno.readTextFile(path);
}
