import { Interpolated } from "./interpolate.ts";
import { formatPath, type Located, type Path } from "./located.ts";
import { nearest } from "./nearest.ts";
import type { Position } from "./parse.ts";
import { isMapping, type Tree, type TreeValue, valueAt } from "./tree.ts";

/** Problems that are listed at most. */
const MAX_PROBLEMS = 200;

/** Longest text of a value that is shown. */
const MAX_SHOWN_LENGTH = 60;

/** Keys whose values are never shown, wherever they stand. */
const SECRET_KEYS: ReadonlySet<PropertyKey> = new Set([
  "token",
  "tokens",
  "api_keys",
  "proxy",
  "fields",
  "set",
  "add",
  "eab",
  "headers",
]);

/** Keys whose own values are never shown. */
const SECRET_VALUES: ReadonlySet<PropertyKey> = new Set(["auth", "password", "secret", "sentinel_password"]);

/** Text of the file as it may be shown: short, and without the credentials of a URL. */
function shownText(text: string): string {
  const short = text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
  return JSON.stringify(short.replaceAll(/\/\/[^/@]*@/g, "//…@"));
}

/** A value as a message may show it; what came from the environment or a file is shown by its reference. */
export function describe(value: TreeValue | undefined, isSecret: boolean): string {
  if (value === undefined || value === null) return "nothing";
  if (value instanceof Interpolated) return isSecret ? value.references : shownText(value.source);
  if (Array.isArray(value)) return "a list";
  if (isMapping(value)) return "a mapping";
  if (isSecret) return "a value that is not shown";
  return typeof value === "string" ? shownText(value) : String(value);
}

/** Which mark of a value a problem points at. */
export interface ProblemOptions {
  /** Point at the key instead of the value. */
  readonly atKey?: boolean;
}

/** What is wrong with one file, and what is to be warned of. */
class Notes {
  readonly located = new Map<string, Located>();
  readonly paths = new Set<string>();
  readonly warnings: Located[] = [];
}

/** Collects what is wrong with one file, each with its place. */
export class Problems {
  readonly #notes: Notes;
  readonly #original: (path: Path) => Path;

  private constructor(readonly file: string, readonly tree: Tree, notes: Notes, original: (path: Path) => Path) {
    this.#notes = notes;
    this.#original = original;
  }

  /** Those of a file, to begin with what was wrong while its tree was built. */
  static of(file: string, tree: Tree): Problems {
    const problems = new Problems(file, tree, new Notes(), (path) => path);
    for (const { path, position, message, file: own = file } of tree.problems) {
      problems.#put({ file: own, ...position, path: formatPath(path), message }, path);
    }
    return problems;
  }

  /** The same problems, noted by paths of values that have lost items of lists: `original` finds where those stood in the file. */
  within(original: (path: Path) => Path): Problems {
    return new Problems(this.file, this.tree, this.#notes, original);
  }

  /** Where the key of `path` stands, also one with nothing behind it; `undefined` where the file does not have it. */
  keyPosition(path: Path): Position | undefined {
    return this.tree.keyPosition(this.#original(path));
  }

  /** What the file gives at `path`. */
  valueAt(path: Path): TreeValue | undefined {
    return valueAt(this.tree.root, this.#original(path));
  }

  /** Whether the file gives `path` itself: no default, and not by a shorthand. */
  isGiven(path: Path): boolean {
    return this.given(path).length === path.length;
  }

  /** `at` is the path in the configuration as a whole. */
  #put(located: Located, at: Path): void {
    const { located: all, paths } = this.#notes;
    if (all.size >= MAX_PROBLEMS) return;
    all.set(`${located.file} ${located.path} ${located.line} ${located.message}`, located);
    paths.add(formatPath(at));
  }

  /** The longest beginning of `path` that the file gives: a shorthand has no keys of its own. */
  given(asked: Path): Path {
    const path = this.#original(asked);
    for (let length = path.length; length > 0; length--) {
      if (valueAt(this.tree.root, path.slice(0, length)) !== undefined) return path.slice(0, length);
    }
    return [];
  }

  /** What stands at `path`, as a message may show it. */
  found(path: Path): string {
    // Who forgets `tokens:` writes a token in its place.
    const last = path.at(-1) ?? "";
    const isSecret = path.some((step) => SECRET_KEYS.has(step)) || SECRET_VALUES.has(last);
    const empty = this.tree.emptyAt(this.#original(path));
    if (empty !== undefined) return `nothing (${isSecret ? empty.references : empty.source} is empty)`;
    const given = this.given(path);
    const value = valueAt(this.tree.root, given);
    // Inside a shorthand (a URL for `{ url }`) the scalar itself is what was found.
    const isInside = given.length < path.length && (isMapping(value) || Array.isArray(value));
    return isInside ? "nothing" : describe(value, isSecret);
  }

  /** The place of `path`, or of what it is missing from. */
  locate(asked: Path, options: ProblemOptions = {}): Omit<Located, "message"> {
    const { tree } = this;
    const path = this.#original(asked);
    const { file, path: shown } = this.#origin(path);
    const key = tree.keyPosition(path);
    const own = options.atKey ? key ?? tree.valuePosition(path) : tree.valuePosition(path) ?? key;
    if (own !== undefined) return { file, ...own, path: formatPath(shown) };
    for (let length = path.length - 1; length >= 0; length--) {
      const parent = path.slice(0, length);
      const position = tree.keyPosition(parent) ?? tree.valuePosition(parent);
      if (position !== undefined) return { file, ...position, path: formatPath(shown) };
    }
    return { file, line: 1, column: 1, path: formatPath(shown) };
  }

  #origin(path: Path): { readonly file: string; readonly path: Path } {
    const { file, path: own } = this.tree.origin(path);
    return { file: file ?? this.file, path: own };
  }

  /** `listeners[0] in line 20`, for a message about another place; with its file where there are several. */
  elsewhere(path: Path): string {
    const { path: text, line } = this.locate(path);
    const { file } = this.tree.origin(this.#original(path));
    return file === null ? `${text} in line ${line}` : `${text} in ${file} line ${line}`;
  }

  /** Notes that a key is there which should not be, or the other way round, at the key. */
  atKey(path: Path, message: string): void {
    this.add(path, message, { atKey: true });
  }

  /** Notes a problem in its own words. */
  add(path: Path, message: string, options?: ProblemOptions): void {
    this.#put({ ...this.locate(path, options), message }, this.#original(path));
  }

  /** Notes that what the file says of `path` is not to be relied on, without a problem of its own. */
  suspect(path: Path): void {
    const { paths } = this.#notes;
    if (paths.size < 2 * MAX_PROBLEMS) paths.add(formatPath(this.#original(path)));
  }

  /** Notes `found … expected …`, with the nearest of `known` where the value is a text. */
  expect(path: Path, expected: string, known: readonly string[] = []): void {
    const value = valueAt(this.tree.root, this.given(path));
    const text = value instanceof Interpolated ? value.text() : value;
    const near = typeof text === "string" ? nearest(text, known) : null;
    const hint = near === null ? "" : `; did you mean ${JSON.stringify(near)}?`;
    this.add(path, `found ${this.found(path)} expected ${expected}${hint}`);
  }

  /** Notes something that works but is most likely not meant. */
  warn(path: Path, message: string, options?: ProblemOptions): void {
    const { warnings } = this.#notes;
    if (warnings.length < MAX_PROBLEMS) warnings.push({ ...this.locate(path, options), message });
  }

  /** Whether something at `path` or beneath it is wrong: what follows from that need not be said. */
  has(path: Path): boolean {
    const text = formatPath(this.#original(path));
    const { paths } = this.#notes;
    if (paths.has(text)) return true;
    for (const known of paths) {
      if (known.startsWith(text) && (text === "" || known[text.length] === "." || known[text.length] === "[")) {
        return true;
      }
    }
    return false;
  }

  /** Whether exactly `path` is wrong or suspect. */
  hasExactly(path: Path): boolean {
    return this.#notes.paths.has(formatPath(this.#original(path)));
  }

  /** All problems in the order of the file; the main one comes first, then the others by name. */
  list(): Located[] {
    return [...this.#notes.located.values()].sort(this.#byPlace);
  }

  /** All warnings in the order of the file. */
  warnings(): Located[] {
    return this.#notes.warnings.toSorted(this.#byPlace);
  }

  readonly #byPlace = (a: Located, b: Located): number => {
    if (a.file === b.file) return a.line - b.line || a.column - b.column;
    if (a.file === this.file || b.file === this.file) return a.file === this.file ? -1 : 1;
    return a.file < b.file ? -1 : 1;
  };
}
