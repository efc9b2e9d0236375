import { type Mutant, mutate } from "./mutant.ts";
import type { ScratchTree } from "./scratch_tree.ts";

/** Finds the mutants that do not type-check, in one run: each is written into a file beside the one that it changes. */
export async function findInvalid(tree: ScratchTree, mutants: readonly Mutant[]): Promise<Set<string>> {
  const written = new Map<string, Mutant>();
  for (const mutant of mutants) {
    const path = mutant.path.replace(/\.ts$/, `.mutant_${mutant.key}.ts`);
    tree.write(path, mutate(tree.read(mutant.path), mutant));
    written.set(path, mutant);
  }
  try {
    return written.size === 0 ? new Set() : await check(tree, written);
  } finally {
    for (const path of written.keys()) await Deno.remove(`${tree.path}/${path}`);
  }
}

async function check(tree: ScratchTree, written: ReadonlyMap<string, Mutant>): Promise<Set<string>> {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--lock=deno.all.lock", ...written.keys()],
    cwd: tree.path,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stderr);
  const invalid = new Set<string>();
  for (const [, key] of text.matchAll(/ at file:\S+\.mutant_([0-9a-f]+)\.ts:/g)) {
    if (key !== undefined) invalid.add(key);
  }
  // A text that is no module ends the whole run before anything is checked.
  if (invalid.size === 0 && !text.includes("Check ")) throw new Error(`Cannot check the types of mutants: ${text}`);
  return invalid;
}
