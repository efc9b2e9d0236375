/** A node of the tree that path patterns are compiled into. */
interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  wildcard: Node<T> | null;
  value: T | null;
  /** Value of a pattern that ends in `**` here. */
  rest: T | null;
}

/** Matches a path, cut into segments, against patterns; a literal segment comes before `*`, and that before `**`. */
export class RouteTrie<T> {
  readonly #root: Node<T> = node();

  /**
   * Adds a pattern: segments are literal, `*` for any one, `{a,b}` for one of several; `**` at the end is any number, none
   * included.
   *
   * @throws {TypeError} when another pattern has taken the place: a table that says two things about a path is a mistake
   */
  add(pattern: string, value: T): void {
    for (const segments of expand(pattern)) this.#insert(pattern, segments, value);
  }

  /** The value of the pattern that fits best; `null` where none does. */
  match(segments: readonly string[]): T | null {
    return matchFrom(this.#root, segments, 0);
  }

  #insert(pattern: string, segments: readonly string[], value: T): void {
    let at = this.#root;
    const isOpen = segments.at(-1) === "**";
    for (const segment of isOpen ? segments.slice(0, -1) : segments) at = child(at, segment);
    const taken = isOpen ? at.rest : at.value;
    if (taken !== null) throw new TypeError(`Cannot add the pattern "${pattern}": its place is taken`);
    if (isOpen) at.rest = value;
    else at.value = value;
  }
}

function node<T>(): Node<T> {
  return { literals: new Map(), wildcard: null, value: null, rest: null };
}

function child<T>(parent: Node<T>, segment: string): Node<T> {
  if (segment === "*") return parent.wildcard ??= node();
  let found = parent.literals.get(segment);
  if (found === undefined) parent.literals.set(segment, found = node());
  return found;
}

/** All combinations of the alternatives in a pattern. */
function expand(pattern: string): string[][] {
  let all: string[][] = [[]];
  for (const segment of pattern.split("/").slice(1)) {
    const choices = segment.startsWith("{") ? segment.slice(1, -1).split(",") : [segment];
    all = all.flatMap((before) => choices.map((choice) => [...before, choice]));
  }
  return all;
}

function matchFrom<T>(at: Node<T>, segments: readonly string[], index: number): T | null {
  if (index === segments.length) return at.value ?? at.rest;
  const literal = at.literals.get(segments[index]!);
  if (literal !== undefined) {
    const found = matchFrom(literal, segments, index + 1);
    if (found !== null) return found;
  }
  if (at.wildcard !== null) {
    const found = matchFrom(at.wildcard, segments, index + 1);
    if (found !== null) return found;
  }
  return at.rest;
}
