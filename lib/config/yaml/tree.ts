import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { interpolate, Interpolated, type Lookup, templateParts } from "./interpolate.ts";
import { formatPath, type Path } from "./located.ts";
import type { ParsedText, Position } from "./parse.ts";

/** Values at most, aliases expanded: a few lines of aliases of aliases can mean billions. */
const MAX_VALUES = 100_000;

/** Levels of lists and mappings at most. */
const MAX_DEPTH = 32;

/** A value as the file gives it: scalars that were put together are {@linkcode Interpolated}, mappings have no prototype. */
export type TreeValue =
  | null
  | string
  | number
  | boolean
  | Interpolated
  | TreeValue[]
  | { [key: string]: TreeValue };

/** What may still be built: several files of one configuration share it. */
export interface ValueBudget {
  left: number;
}

/** As much as a whole configuration may hold. */
export function newValueBudget(): ValueBudget {
  return { left: MAX_VALUES };
}

/** A problem of a value, found while the tree was built. */
export interface TreeProblem {
  /** The file that it is in; left out where there is one alone. */
  readonly file?: string;
  readonly path: Path;
  readonly position: Position;
  readonly message: string;
}

/** Where a value of a configuration is written. */
export interface Origin {
  /** `null` where there is one file alone. */
  readonly file: string | null;
  /** The value's path in that file. */
  readonly path: Path;
}

/** The file's values with the place of each. */
export interface Tree {
  readonly root: TreeValue;
  /** Which file the value at `path` is in, or would be, and its path there. */
  origin(path: Path): Origin;
  readonly problems: readonly TreeProblem[];
  /** Where the key of the value at `path` stands; `undefined` for what the file does not give and for list items. */
  keyPosition(path: Path): Position | undefined;
  /** Where the value at `path` stands; `undefined` for what the file does not give. */
  valuePosition(path: Path): Position | undefined;
  /** The scalar at `path` that was left out because its references came to nothing. */
  emptyAt(path: Path): Interpolated | undefined;
}

/** A mapping without a prototype, so that no key of the file means anything to JavaScript. */
function emptyMapping(): { [key: string]: TreeValue } {
  return Object.create(null);
}

/** Whether a value of the tree is a mapping. */
export function isMapping(value: unknown): value is { [key: string]: TreeValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Interpolated);
}

/** The value at `path`; `undefined` where there is none. */
export function valueAt(root: TreeValue, path: Path): TreeValue | undefined {
  let value: TreeValue | undefined = root;
  for (const step of path) {
    if (Array.isArray(value)) value = value[Number(step)];
    else if (isMapping(value)) value = value[String(step)];
    else return undefined;
  }
  return value;
}

/** The paths of every file that a document's `${file:…}` names, each once, at most `limit`. */
export function referencedFiles(parsed: ParsedText, limit: number): string[] {
  const files = new Set<string>();
  const pending: Array<Node | null> = [parsed.contents];
  while (pending.length > 0 && files.size < limit) {
    const node = pending.pop();
    if (isMap(node)) pending.push(...node.items.map((pair) => pair.value as Node | null));
    else if (isSeq(node)) pending.push(...node.items as Node[]);
    else if (isScalar(node) && typeof node.value === "string") {
      for (const part of templateParts(node.value) ?? []) if (part.kind === "file") files.add(part.path);
    }
  }
  return [...files].slice(0, limit);
}

/** A mapping that merge keys add to, and where it stands. */
interface MergeTarget {
  readonly mapping: { [key: string]: TreeValue };
  readonly path: Path;
}

/** Builds one tree; keeps the count of values and the places as it goes. */
class TreeBuilder {
  readonly problems: TreeProblem[] = [];
  readonly keys = new Map<string, Position>();
  readonly values = new Map<string, Position>();
  readonly empties = new Map<string, Interpolated>();
  #count = 0;
  readonly #most: number;

  constructor(readonly parsed: ParsedText, readonly lookup: Lookup, budget: ValueBudget) {
    this.#most = Math.max(0, budget.left);
  }

  /** Values that were built. */
  get count(): number {
    return this.#count;
  }

  /** The value of `node`, which stands at `path`. */
  build(node: Node | null | undefined, path: Path): TreeValue {
    if (node === null || node === undefined) return null;
    this.#count++;
    const position = this.#position(node);
    this.values.set(formatPath(path), position);
    if (path.length > MAX_DEPTH) {
      return this.#refuse(path, position, `found more than ${MAX_DEPTH} levels of nesting expected fewer`);
    }
    if (this.#count > this.#most) return this.#refuseRest(path, position);
    if (isAlias(node)) return this.#alias(node, path);
    if (isMap(node)) return this.#mapping(node, path);
    if (isSeq(node)) return this.#list(node, path);
    return this.#scalar(node as Scalar, path);
  }

  #position(node: Node): Position {
    return this.parsed.position(node.range?.[0] ?? 0);
  }

  /** Where the mapping at `path` begins: the place of a key that is not written. */
  #keyPosition(path: Path): Position {
    return this.values.get(formatPath(path)) ?? { line: 1, column: 1 };
  }

  #refuse(path: Path, position: Position, message: string): null {
    this.problems.push({ path, position, message });
    return null;
  }

  /** Says once that there are too many values; the rest is left out. */
  #refuseRest(path: Path, position: Position): null {
    if (this.#count > this.#most + 1) return null;
    return this.#refuse(path, position, `found more than ${MAX_VALUES} values, aliases expanded, expected fewer`);
  }

  #alias(node: Alias, path: Path): TreeValue {
    const target = this.parsed.target(node);
    if (target !== undefined) return this.build(target, path);
    return this.#refuse(
      path,
      this.#position(node),
      "found an alias without its anchor expected the anchor (&name) before it",
    );
  }

  #list(node: YAMLSeq, path: Path): TreeValue[] {
    const list: TreeValue[] = [];
    for (const item of node.items) {
      if (this.#count > this.#most) break;
      list.push(this.build(item as Node | null, [...path, list.length]));
    }
    return list;
  }

  #mapping(node: YAMLMap, path: Path): TreeValue {
    const mapping = emptyMapping();
    const merged: Pair[] = [];
    for (const pair of node.items) {
      if (this.#count > this.#most) break;
      if (isMergeKey(pair)) merged.push(pair);
      else this.#pair(pair, mapping, path);
    }
    for (const pair of merged) this.#merge(pair.value as Node | null, { mapping, path });
    return mapping;
  }

  #pair(pair: Pair, mapping: { [key: string]: TreeValue }, path: Path): void {
    const key = keyText(pair);
    const node = pair.key as Node | null;
    const position = node === null ? this.#keyPosition(path) : this.#position(node);
    const at = [...path, key ?? ""];
    if (key === null || key === "__proto__" || templateParts(key) !== null) {
      this.#refuse(path, position, "found an unusable key expected plain text (${…} is for values)");
      return;
    }
    const before = this.keys.get(formatPath(at));
    if (before !== undefined) {
      this.#refuse(
        at,
        position,
        `found the key ${JSON.stringify(key)} a second time expected it once (first in line ${before.line})`,
      );
      return;
    }
    this.keys.set(formatPath(at), position);
    const value = this.build(pair.value as Node | null, at);
    // A key with nothing behind it is as good as absent: that is what a section is whose keys are all commented out, and
    // what `${NAME:-}` leaves where the variable is not set.
    if (value instanceof Interpolated && value.text().trim() === "") this.empties.set(formatPath(at), value);
    else if (value !== null || isPatch(path)) mapping[key] = value;
  }

  /** Adds what a merge key (`<<`) brings, `depth` merges deep; keys that the mapping has already win. */
  #merge(node: Node | null, target: MergeTarget, depth = 1): void {
    const source = isAlias(node) ? this.parsed.target(node) : node;
    if (++this.#count > this.#most) return;
    if (depth > MAX_DEPTH || (!isMap(source) && !isSeq(source))) {
      const position = node === null ? this.#keyPosition(target.path) : this.#position(node);
      this.#refuse(target.path, position, "found a merge key (<<) expected an alias of a mapping behind it");
    } else if (isSeq(source)) {
      for (const item of source.items) this.#merge(item as Node | null, target, depth + 1);
    } else {
      for (const pair of source.items) this.#mergePair(pair, target, depth);
    }
  }

  #mergePair(pair: Pair, target: MergeTarget, depth: number): void {
    if (this.#count > this.#most) return;
    if (isMergeKey(pair)) this.#merge(pair.value as Node | null, target, depth + 1);
    else if (!this.keys.has(formatPath([...target.path, keyText(pair) ?? ""]))) {
      this.#pair(pair, target.mapping, target.path);
    }
  }

  #scalar(node: Scalar, path: Path): TreeValue {
    const { value } = node;
    if (typeof value === "number" && isFileMode(path)) return node.source ?? value;
    if (value === null || typeof value === "number" || typeof value === "boolean") return value;
    if (typeof value !== "string") {
      return this.#refuse(path, this.#position(node), "found a value with a tag expected a plain one");
    }
    const parts = templateParts(value);
    if (parts === null) return value;
    const result = interpolate(parts, this.lookup);
    if (result.ok) return result.value;
    for (const problem of result.problems) this.#refuse(path, this.#position(node), problem);
    return null;
  }
}

/** Whether a mapping is a merge patch or a part of one: there a member of `null` is not as good as absent. */
function isPatch(path: Path): boolean {
  return path[0] === "listeners" && path[2] === "overrides" && path[4] === "merge";
}

/** Whether a number stands where YAML 1.2 would read another one than is meant: 0660 is 660 to it. */
function isFileMode(path: Path): boolean {
  return path[0] === "listeners" && path[2] === "listen" && path[3] === "mode";
}

/** Whether the pair is `<<: …`. */
function isMergeKey(pair: Pair): boolean {
  return isScalar(pair.key) && (typeof pair.key.value === "symbol" || pair.key.value === "<<") &&
    pair.key.source === "<<";
}

/** A key's text as written; `null` where the key is no scalar. */
function keyText(pair: Pair): string | null {
  if (!isScalar(pair.key)) return null;
  return typeof pair.key.value === "string" ? pair.key.value : pair.key.source ?? "";
}

/** The values of a parsed document with their places; references are replaced, what is wrong with them is reported. */
export function buildTree(parsed: ParsedText, lookup: Lookup, budget: ValueBudget = newValueBudget()): Tree {
  const builder = new TreeBuilder(parsed, lookup, budget);
  const root = builder.build(parsed.contents, []);
  budget.left -= builder.count;
  return {
    root,
    origin: (path) => ({ file: null, path }),
    problems: builder.problems,
    keyPosition: (path) => builder.keys.get(formatPath(path)),
    valuePosition: (path) => builder.values.get(formatPath(path)),
    emptyAt: (path) => builder.empties.get(formatPath(path)),
  };
}
