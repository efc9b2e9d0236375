import type { Condition, Facts } from "./condition.ts";

/** Rules whose paths begin with the same segments. */
interface PathNode {
  readonly children: Map<string, PathNode>;
  /** Their places, in order. */
  readonly rules: number[];
}

const NO_RULES: readonly number[] = [];

/**
 * Finds the rules that may apply to a request without testing all. Rules with a path are found by the literal segments that their
 * globs begin with, the others by their condition on a field, the query or the client. Results are remembered by the request's text,
 * since clients send the same few again and again.
 */
export class RuleIndex {
  readonly #conditions: readonly Condition[];
  readonly #root: PathNode = newNode();
  /** By method and path. */
  readonly #byLine = new Remembered();
  readonly #byField = new Map<string, { readonly rules: number[]; readonly found: Remembered }>();
  readonly #byQuery: { readonly rules: number[]; readonly found: Remembered } = { rules: [], found: new Remembered() };
  readonly #byClient: { readonly rules: number[]; readonly found: Remembered } = { rules: [], found: new Remembered() };
  /** Rules with a condition on method or scheme alone, or with none. */
  readonly #others: number[] = [];

  constructor(conditions: readonly Condition[]) {
    this.#conditions = conditions;
    conditions.forEach((condition, place) => this.#listFor(condition).push(place));
  }

  /** Places of the rules that may apply, in order. */
  candidates(facts: Facts): readonly number[] {
    const { path, request } = facts;
    const lists: (readonly number[])[] = [];
    const add = (rules: readonly number[]) => {
      if (rules.length > 0) lists.push(rules);
    };
    const line = `${request.method} ${path}`;
    add(this.#byLine.get(line) ?? this.#byLine.set(line, this.#on(request.method, path)));
    for (const [name, { rules, found }] of this.#byField) {
      const value = facts.field(name);
      if (value !== null) add(found.get(value) ?? found.set(value, this.#meeting(rules, "isNeededFieldMet", facts)));
    }
    if (this.#byQuery.rules.length > 0 && request.query !== "") {
      const { rules, found } = this.#byQuery;
      add(found.get(request.query) ?? found.set(request.query, this.#meeting(rules, "isQueryMet", facts)));
    }
    if (this.#byClient.rules.length > 0) {
      const { rules, found } = this.#byClient;
      add(found.get(facts.client) ?? found.set(facts.client, this.#meeting(rules, "isClientMet", facts)));
    }
    return lists.length <= 1 ? lists[0] ?? NO_RULES : lists.flat().sort((a, b) => a - b);
  }

  #meeting(
    rules: readonly number[],
    test: "isNeededFieldMet" | "isQueryMet" | "isClientMet",
    facts: Facts,
  ): readonly number[] {
    return rules.filter((place) => this.#conditions[place]![test](facts));
  }

  /** Rules whose path fits, and those in `#others`, for a method. */
  #on(method: string, path: string): readonly number[] {
    const found = [...this.#root.rules];
    let node: PathNode | undefined = this.#root;
    for (let start = 1; node.children.size > 0 && start <= path.length;) {
      const slash = path.indexOf("/", start);
      const end = slash < 0 ? path.length : slash;
      node = node.children.get(path.slice(start, end));
      if (node === undefined) break;
      found.push(...node.rules);
      start = end + 1;
    }
    const matching = found.filter((place) => this.#conditions[place]!.path!.test(path));
    return [...this.#others, ...matching].filter((place) => this.#conditions[place]!.isForMethod(method))
      .sort((a, b) => a - b);
  }

  #listFor(condition: Condition): number[] {
    const { path, neededField } = condition;
    if (path !== null) return this.#nodeFor(path.literal, path.wildcards === 0).rules;
    if (neededField !== null) {
      let known = this.#byField.get(neededField);
      if (known === undefined) this.#byField.set(neededField, known = { rules: [], found: new Remembered() });
      return known.rules;
    }
    if (condition.needsQuery) return this.#byQuery.rules;
    return condition.hasClients ? this.#byClient.rules : this.#others;
  }

  #nodeFor(literal: string, isWhole: boolean): PathNode {
    // The last segment before a wildcard may go on in it.
    const segments = literal.split("/").slice(1, isWhole ? undefined : -1);
    let node = this.#root;
    for (const segment of segments) {
      let child = node.children.get(segment);
      if (child === undefined) node.children.set(segment, child = newNode());
      node = child;
    }
    return node;
  }
}

function newNode(): PathNode {
  return { children: new Map(), rules: [] };
}

const MAX_REMEMBERED = 1_024;
/** Longer texts are not remembered: they are seldom sent twice. */
const MAX_TEXT_LENGTH = 512;

/** Rules by the text for which they were found; bounded, since clients choose the texts. */
class Remembered {
  readonly #rules = new Map<string, readonly number[]>();

  get(text: string): readonly number[] | undefined {
    return this.#rules.get(text);
  }

  set(text: string, rules: readonly number[]): readonly number[] {
    if (text.length > MAX_TEXT_LENGTH) return rules;
    if (this.#rules.size >= MAX_REMEMBERED) this.#rules.clear();
    this.#rules.set(text, rules);
    return rules;
  }
}
