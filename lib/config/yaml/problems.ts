import { Interpolated } from "./interpolate.ts";
import { formatPath, type Located, type Path } from "./located.ts";
import { nearest } from "./nearest.ts";
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
]);

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

/** Collects what is wrong with one file, each with its place. */
export class Problems {
  readonly #located = new Map<string, Located>();
  readonly #paths = new Set<string>();
  readonly #warnings: Located[] = [];

  constructor(readonly file: string, readonly tree: Tree) {
    for (const { path, position, message } of tree.problems) {
      this.#put({ file, ...position, path: formatPath(path), message });
    }
  }

  #put(located: Located): void {
    if (this.#located.size >= MAX_PROBLEMS) return;
    this.#located.set(`${located.path} ${located.line} ${located.message}`, located);
    this.#paths.add(located.path);
  }

  /** The longest beginning of `path` that the file gives: a shorthand has no keys of its own. */
  given(path: Path): Path {
    for (let length = path.length; length > 0; length--) {
      if (valueAt(this.tree.root, path.slice(0, length)) !== undefined) return path.slice(0, length);
    }
    return [];
  }

  /** What stands at `path`, as a message may show it. */
  found(path: Path): string {
    // Who forgets `tokens:` writes a token in its place.
    const isSecret = path.some((step) => SECRET_KEYS.has(step)) || path.at(-1) === "auth";
    const empty = this.tree.emptyAt(path);
    if (empty !== undefined) return `nothing (${isSecret ? empty.references : empty.source} is empty)`;
    const given = this.given(path);
    const value = valueAt(this.tree.root, given);
    // Inside a shorthand (a URL for `{ url }`) the scalar itself is what was found.
    const isInside = given.length < path.length && (isMapping(value) || Array.isArray(value));
    return isInside ? "nothing" : describe(value, isSecret);
  }

  /** The place of `path`, or of what it is missing from. */
  locate(path: Path, options: ProblemOptions = {}): Omit<Located, "message"> {
    const { tree, file } = this;
    const key = tree.keyPosition(path);
    const own = options.atKey ? key ?? tree.valuePosition(path) : tree.valuePosition(path) ?? key;
    if (own !== undefined) return { file, ...own, path: formatPath(path) };
    for (let length = path.length - 1; length >= 0; length--) {
      const parent = path.slice(0, length);
      const position = tree.keyPosition(parent) ?? tree.valuePosition(parent);
      if (position !== undefined) return { file, ...position, path: formatPath(path) };
    }
    return { file, line: 1, column: 1, path: formatPath(path) };
  }

  /** Notes a problem in its own words. */
  add(path: Path, message: string, options?: ProblemOptions): void {
    this.#put({ ...this.locate(path, options), message });
  }

  /** Notes that what the file says of `path` is not to be relied on, without a problem of its own. */
  suspect(path: Path): void {
    if (this.#paths.size < 2 * MAX_PROBLEMS) this.#paths.add(formatPath(path));
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
    if (this.#warnings.length < MAX_PROBLEMS) this.#warnings.push({ ...this.locate(path, options), message });
  }

  /** Whether something at `path` or beneath it is wrong: what follows from that need not be said. */
  has(path: Path): boolean {
    const text = formatPath(path);
    if (this.#paths.has(text)) return true;
    for (const known of this.#paths) {
      if (known.startsWith(text) && (text === "" || known[text.length] === "." || known[text.length] === "[")) {
        return true;
      }
    }
    return false;
  }

  /** Whether exactly `path` is wrong or suspect. */
  hasExactly(path: Path): boolean {
    return this.#paths.has(formatPath(path));
  }

  /** All problems in the order of the file. */
  list(): Located[] {
    return [...this.#located.values()].sort(byPlace);
  }

  /** All warnings in the order of the file. */
  warnings(): Located[] {
    return this.#warnings.toSorted(byPlace);
  }
}

function byPlace(a: Located, b: Located): number {
  return a.line - b.line || a.column - b.column;
}
