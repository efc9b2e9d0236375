import type { Path } from "./located.ts";
import { nearest } from "./nearest.ts";
import { isMapping, type Origin, type Tree, type TreeProblem, type TreeValue } from "./tree.ts";

/** One file of a configuration. */
export interface Part {
  /** Its name, as messages show it. */
  readonly file: string;
  readonly tree: Tree;
}

/** What an included file may hold. */
const JOINED = ["pools", "listeners"] as const;

/** Listeners of one file among all. */
interface Stretch {
  readonly part: Part;
  readonly begin: number;
  readonly length: number;
}

/** Puts files together as it goes, and keeps whose each part is. */
class Joiner {
  readonly problems: TreeProblem[];
  readonly #main: Part;
  readonly #root: { [key: string]: TreeValue };
  readonly #pools: { [key: string]: TreeValue } | null;
  readonly #listeners: TreeValue[] | null;
  readonly #poolOwners = new Map<string, Part>();
  readonly #stretches: Stretch[] = [];

  constructor(main: Part, root: { [key: string]: TreeValue }) {
    this.#main = main;
    this.problems = problemsOf(main);
    const { pools, listeners } = root;
    this.#root = Object.assign(Object.create(null), root);
    // What is not of the form that it should be is left alone: the check of values says so.
    this.#pools = pools === undefined ? Object.create(null) : isMapping(pools) ? Object.create(null) : null;
    this.#listeners = listeners === undefined || Array.isArray(listeners) ? [] : null;
    this.add(main, root);
  }

  /** Adds what `values` has of pools and listeners. */
  add(part: Part, values: { [key: string]: TreeValue }): void {
    if (isMapping(values.pools)) {
      for (const name of Object.keys(values.pools)) {
        this.#addPool(part, name, values.pools);
      }
    }
    if (Array.isArray(values.listeners) && this.#listeners !== null) {
      this.#stretches.push({ part, begin: this.#listeners.length, length: values.listeners.length });
      this.#listeners.push(...values.listeners);
    }
  }

  #addPool(part: Part, name: string, pools: { [key: string]: TreeValue }): void {
    if (this.#pools === null) return;
    const first = this.#poolOwners.get(name);
    if (first === undefined) {
      this.#poolOwners.set(name, part);
      this.#pools[name] = pools[name]!;
      return;
    }
    const path = ["pools", name];
    const line = first.tree.keyPosition(path)?.line ?? 1;
    const position = part.tree.keyPosition(path) ?? { line: 1, column: 1 };
    const found = `found the pool ${JSON.stringify(name)} a second time`;
    const message = `${found} expected it once (first in ${first.file} line ${line})`;
    this.problems.push({ file: part.file, path, position, message });
  }

  /** The tree of all that was added. */
  tree(): Tree {
    if (this.#pools !== null && this.#poolOwners.size > 0) this.#root.pools = this.#pools;
    if (this.#listeners !== null && this.#stretches.length > 0) this.#root.listeners = this.#listeners;
    const at = (path: Path) => this.#ownerOf(path);
    return {
      root: this.#root,
      problems: this.problems,
      origin: (path): Origin => ({ file: at(path).part.file, path: at(path).own }),
      keyPosition: (path) => at(path).part.tree.keyPosition(at(path).own),
      valuePosition: (path) => at(path).part.tree.valuePosition(at(path).own),
      emptyAt: (path) => at(path).part.tree.emptyAt(at(path).own),
    };
  }

  /** The file that the value at `path` is in, and its path there. */
  #ownerOf(path: Path): { readonly part: Part; readonly own: Path } {
    const [section, step, ...rest] = path;
    if (section === "pools" && step !== undefined) {
      return { part: this.#poolOwners.get(String(step)) ?? this.#main, own: path };
    }
    if (section === "listeners" && typeof step === "number") {
      const stretch = this.#stretches.find(({ begin, length }) => step >= begin && step < begin + length);
      if (stretch !== undefined) return { part: stretch.part, own: [section, step - stretch.begin, ...rest] };
    }
    return { part: this.#main, own: path };
  }
}

function problemsOf({ file, tree }: Part): TreeProblem[] {
  return tree.problems.map((problem) => ({ ...problem, file }));
}

/** What is wrong with the form of an included file: it is a mapping of pools and listeners. */
function formProblems({ file, tree }: Part, main: Part): TreeProblem[] {
  const { root } = tree;
  const known = JOINED.join(", ");
  if (root === null) return [];
  if (!isMapping(root)) {
    const position = tree.valuePosition([]) ?? { line: 1, column: 1 };
    return [{ file, path: [], position, message: `found no mapping expected one with ${known}` }];
  }
  return Object.keys(root).flatMap((key) => {
    const path = [key];
    const position = tree.keyPosition(path) ?? { line: 1, column: 1 };
    const message = formProblem(key, root[key]!, main);
    return message === null ? [] : [{ file, path, position, message }];
  });
}

function formProblem(key: string, value: TreeValue, main: Part): string | null {
  if (key === "pools") return isMapping(value) ? null : "found no mapping expected a mapping of pool names and pools";
  if (key === "listeners") return Array.isArray(value) ? null : "found no list expected a list of listeners";
  const near = nearest(key, JOINED);
  const why = near !== null
    ? `; did you mean ${JSON.stringify(near)}?`
    : key === "include"
    ? ": an included file includes no others"
    : `: what is about the process stands in ${main.file} alone`;
  return `found key ${JSON.stringify(key)} expected one of ${JOINED.join(", ")}${why}`;
}

/**
 * One tree of a configuration's main file and those that it includes: their pools and listeners are added to its own, in the given
 * order. Places are those of each file, listeners are counted by file in messages.
 */
export function joinTrees(main: Part, included: readonly Part[]): Tree {
  const { root } = main.tree;
  if (!isMapping(root)) return main.tree;
  const joiner = new Joiner(main, root);
  for (const part of included) {
    joiner.problems.push(...problemsOf(part), ...formProblems(part, main));
    if (isMapping(part.tree.root)) joiner.add(part, part.tree.root);
  }
  return joiner.tree();
}
