import type { z } from "zod";
import { formatPath, type Path } from "./located.ts";
import { nearest } from "./nearest.ts";
import type { Problems } from "./problems.ts";
import { isMapping, type TreeValue, valueAt } from "./tree.ts";

type Issue = z.core.$ZodIssue;

/** An issue about unknown keys; its message lists the known ones. */
type UnknownKeys = z.core.$ZodIssueUnrecognizedKeys;

/** Notes each unknown key of a mapping, with the nearest of those it may have. */
function reportUnknownKeys({ path, keys, message: known }: UnknownKeys, problems: Problems): void {
  for (const key of keys) {
    const near = nearest(key, known.split(", "));
    const hint = near === null ? "" : `; did you mean ${JSON.stringify(near)}?`;
    const message = `found unknown key ${JSON.stringify(key)} expected one of ${known}${hint}`;
    problems.add([...path, key], message, { atKey: true });
    // The value that was meant is there, but under another name: that it is missing need not be said.
    if (near !== null) problems.suspect([...path, near]);
  }
}

/** Notes one mistake that the schema found. */
function reportIssue(issue: Issue, problems: Problems): void {
  if (issue.code === "invalid_key") {
    const [step] = issue.path.slice(-1);
    const expected = issue.issues[0]?.message ?? "another key";
    problems.add(issue.path, `found key ${JSON.stringify(step)} expected ${expected}`, { atKey: true });
  } else {
    const choices: unknown = issue.code === "custom" ? issue.params?.choices : undefined;
    const path = valueAt(problems.tree.root, issue.path) === undefined
      ? shorthandPath(issue.path, problems)
      : issue.path;
    // What was wrong already while the tree was built (a variable that is not set) is not also missing.
    if (!problems.hasExactly(path)) problems.expect(path, issue.message, Array.isArray(choices) ? choices : []);
  }
}

/** The path of what stands for more, where `path` leads into that: a scalar, or an item of a list that stands for a mapping; else `path`. */
function shorthandPath(path: Path, problems: Problems): Path {
  const given = problems.given(path);
  const value = valueAt(problems.tree.root, given);
  const [key, ...rest] = path.slice(given.length);
  if (Array.isArray(value) && typeof key === "string") return [...given, ...rest];
  return given.length > 0 && !isMapping(value) && !Array.isArray(value) ? given : path;
}

/** Notes every mistake that the schema found, in terms of the file. */
export function reportIssues(issues: readonly Issue[], problems: Problems): void {
  for (const issue of issues) if (issue.code === "unrecognized_keys") reportUnknownKeys(issue, problems);
  for (const issue of issues) if (issue.code !== "unrecognized_keys") reportIssue(issue, problems);
}

/** A copy of the tree that can lose what is wrong, and knows where its list items stood in the file. */
class Pruned {
  readonly #indices = new WeakMap<TreeValue[], number[]>();
  readonly root: TreeValue;

  constructor(root: TreeValue) {
    this.root = this.#copy(root);
  }

  #copy(value: TreeValue): TreeValue {
    if (Array.isArray(value)) {
      const copy = value.map((item) => this.#copy(item));
      this.#indices.set(copy, copy.map((_, index) => index));
      return copy;
    }
    if (!isMapping(value)) return value;
    const copy: { [key: string]: TreeValue } = Object.create(null);
    for (const [key, item] of Object.entries(value)) copy[key] = this.#copy(item);
    return copy;
  }

  /** Takes the value at `path` away, or the scalar that stands for it; whether there was one. */
  remove(path: Path): boolean {
    let parent: TreeValue = this.root;
    for (const [depth, step] of path.entries()) {
      const child = valueAt(parent, [step]);
      if (child === undefined) return false;
      const isLast = depth === path.length - 1 || (!isMapping(child) && !Array.isArray(child));
      if (isLast) return this.#removeFrom(parent, step);
      parent = child;
    }
    return false;
  }

  #removeFrom(parent: TreeValue, step: PropertyKey): boolean {
    if (Array.isArray(parent)) {
      parent.splice(Number(step), 1);
      this.#indices.get(parent)?.splice(Number(step), 1);
    } else if (isMapping(parent)) {
      delete parent[String(step)];
    }
    return true;
  }

  /** The path in the file of what stands at `path` here. */
  original(path: Path): Path {
    return path.map((step, depth) => {
      if (typeof step !== "number") return step;
      const list = valueAt(this.root, path.slice(0, depth));
      return Array.isArray(list) ? this.#indices.get(list)?.[step] ?? step : step;
    });
  }
}

/** What is left of a file once everything that the schema refuses is gone. */
export interface Salvage<T> {
  readonly values: T;
  /** The path in the file of what stands at `path` in `values`. */
  original(path: Path): Path;
}

/** The paths that an issue makes unusable, the last items of lists first, so that taking one away moves no other. */
function refusedPaths(issues: readonly Issue[]): Path[] {
  const paths = issues.flatMap((issue): Path[] =>
    issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
  );
  const distinct = new Map(paths.map((path) => [formatPath(path), path]));
  return [...distinct.values()].sort(byPosition).reverse();
}

function byPosition(a: Path, b: Path): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const [left, right] = [a[index], b[index]];
    if (left === right) continue;
    return typeof left === "number" && typeof right === "number" ? left - right : String(left) < String(right) ? -1 : 1;
  }
  return a.length - b.length;
}

/**
 * Takes away what `schema` refuses until it accepts the rest, so that the sound part of a file with mistakes can be checked
 * further; `null` where nothing is left to take away.
 */
export function salvage<S extends z.ZodType>(schema: S, root: TreeValue): Salvage<z.output<S>> | null {
  const pruned = new Pruned(root);
  for (;;) {
    const result = schema.safeParse(pruned.root);
    if (result.success) return { values: result.data, original: (path) => pruned.original(path) };
    // What lacks a key that it must have goes as a whole.
    const removed = refusedPaths(result.error.issues).map((path) =>
      pruned.remove(path) || (path.length > 1 && pruned.remove(path.slice(0, -1)))
    );
    if (!removed.includes(true)) return null;
  }
}
