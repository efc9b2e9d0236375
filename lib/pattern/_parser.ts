/** Longest pattern, in characters. */
const MAX_PATTERN_LENGTH = 1_000;
/** Groups that a pattern may have. */
const MAX_GROUPS = 9;
const MAX_REPEAT = 200;
/** Groups within groups. */
const MAX_DEPTH = 50;

/** The pattern cannot be used; the message ends the sentence "expected …". */
export class PatternError extends Error {}

/** A node of a pattern's syntax tree. */
export type Node =
  | { readonly kind: "empty" }
  | { readonly kind: "char"; readonly takes: (code: number) => boolean }
  | { readonly kind: "begin" | "end" }
  | { readonly kind: "sequence" | "choice"; readonly items: readonly Node[] }
  | { readonly kind: "group"; readonly index: number; readonly item: Node }
  | {
    readonly kind: "repeat";
    readonly item: Node;
    readonly min: number;
    readonly max: number;
    readonly lazy: boolean;
  };

const EXPECTED = "a regular expression";

/** Reads a pattern. */
export class Parser {
  /** Groups so far. */
  groups = 0;
  readonly #source: string;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    if (source.length > MAX_PATTERN_LENGTH) {
      throw new PatternError(`${EXPECTED} of at most ${MAX_PATTERN_LENGTH} characters`);
    }
    this.#source = source;
  }

  /** Parses the whole pattern. */
  parse(): Node {
    const tree = this.#choice();
    if (this.#at < this.#source.length) throw new PatternError(`${EXPECTED} (a ) has no ( before it)`);
    return tree;
  }

  #choice(): Node {
    if (++this.#depth > MAX_DEPTH) {
      throw new PatternError(`${EXPECTED} with at most ${MAX_DEPTH} groups within each other`);
    }
    const items = [this.#sequence()];
    while (this.#eat("|")) items.push(this.#sequence());
    this.#depth--;
    return items.length === 1 ? items[0]! : { kind: "choice", items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    while (this.#at < this.#source.length && this.#peek !== "|" && this.#peek !== ")") items.push(this.#repeated());
    return items.length === 1 ? items[0]! : { kind: "sequence", items };
  }

  #repeated(): Node {
    const item = this.#atom();
    const bounds = this.#bounds();
    if (bounds === null) return item;
    if (item.kind === "begin" || item.kind === "end") {
      throw new PatternError(`${EXPECTED} (nothing there can be repeated)`);
    }
    const [min, max] = bounds;
    if (max > min && isNullable(item)) {
      throw new PatternError(`${EXPECTED} that repeats nothing that may be empty, as (a*)* does`);
    }
    const repeat: Node = { kind: "repeat", item, min, max, lazy: this.#eat("?") };
    if (this.#bounds() !== null) throw new PatternError(`${EXPECTED} (two repetitions stand side by side)`);
    return repeat;
  }

  #bounds(): readonly [min: number, max: number] | null {
    if (this.#eat("*")) return [0, Infinity];
    if (this.#eat("+")) return [1, Infinity];
    if (this.#eat("?")) return [0, 1];
    if (this.#peek !== "{") return null;
    const counted = /^\{(\d{1,6})(,(\d{0,6}))?\}/.exec(this.#source.slice(this.#at));
    if (counted === null) throw new PatternError(`${EXPECTED} (write \\{ for a brace)`);
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === "" ? Infinity : Number(counted[3]);
    if (min > max) throw new PatternError(`${EXPECTED} (a repetition has its bounds the wrong way round)`);
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) {
      throw new PatternError(`${EXPECTED} that repeats nothing more than ${MAX_REPEAT} times`);
    }
    return [min, max];
  }

  #atom(): Node {
    const character = this.#next();
    switch (character) {
      case "^":
        return { kind: "begin" };
      case "$":
        return { kind: "end" };
      case ".":
        return { kind: "char", takes: () => true };
      case "[":
        return { kind: "char", takes: this.#class() };
      case "(":
        return this.#group();
      case "\\":
        return { kind: "char", takes: this.#escape() };
      case "*":
      case "+":
      case "?":
      case "{":
        throw new PatternError(`${EXPECTED} (there is nothing to repeat before "${character}")`);
      default:
        return { kind: "char", takes: only(character) };
    }
  }

  #group(): Node {
    let index = -1;
    if (this.#eat("?")) {
      if (!this.#eat(":")) {
        throw new PatternError(`${EXPECTED} without look-around, names and flags: of (?… there is only (?:…)`);
      }
    } else {
      index = ++this.groups;
      if (index > MAX_GROUPS) {
        throw new PatternError(`${EXPECTED} with at most ${MAX_GROUPS} groups: write (?:…) for others`);
      }
    }
    const item = this.#choice();
    if (!this.#eat(")")) throw new PatternError(`${EXPECTED} (a group has no end)`);
    return index < 0 ? item : { kind: "group", index, item };
  }

  #class(): (code: number) => boolean {
    const isNegated = this.#eat("^");
    const tests: ((code: number) => boolean)[] = [];
    while (this.#peek !== "]") {
      const from = this.#classItem();
      if (typeof from === "function") {
        tests.push(from);
      } else if (this.#peek === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        const to = this.#classItem();
        if (typeof to === "function" || to < from) throw new PatternError(`${EXPECTED} (a range in [ ] is none)`);
        tests.push((code) => code >= from && code <= to);
      } else {
        tests.push((code) => code === from);
      }
    }
    this.#at++;
    const takes = (code: number) => tests.some((test) => test(code));
    return isNegated ? (code) => !takes(code) : takes;
  }

  /** A character of a class, or a class escape. */
  #classItem(): number | ((code: number) => boolean) {
    const character = this.#next();
    if (character !== "\\") return character.charCodeAt(0);
    const escaped = this.#next();
    return NAMED_CLASSES[escaped] ?? this.#escaped(escaped);
  }

  #escape(): (code: number) => boolean {
    const escaped = this.#next();
    if (/[1-9]/.test(escaped)) throw new PatternError(`${EXPECTED} without back references such as \\${escaped}`);
    const named = NAMED_CLASSES[escaped];
    if (named !== undefined) return named;
    const code = this.#escaped(escaped);
    return (given) => given === code;
  }

  #escaped(character: string): number {
    if (/[A-Za-z0-9]/.test(character)) throw new PatternError(`${EXPECTED} (there is no \\${character} here)`);
    return character.charCodeAt(0);
  }

  get #peek(): string | undefined {
    return this.#source[this.#at];
  }

  #next(): string {
    const character = this.#source[this.#at++];
    if (character === undefined) throw new PatternError(`${EXPECTED} (it breaks off)`);
    return character;
  }

  #eat(character: string): boolean {
    if (this.#peek !== character) return false;
    this.#at++;
    return true;
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isWord(code: number): boolean {
  return isDigit(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
}

function isSpace(code: number): boolean {
  return /\s/.test(String.fromCharCode(code));
}

const NAMED_CLASSES: Readonly<Record<string, (code: number) => boolean>> = {
  d: isDigit,
  D: (code) => !isDigit(code),
  w: isWord,
  W: (code) => !isWord(code),
  s: isSpace,
  S: (code) => !isSpace(code),
};

function only(character: string): (code: number) => boolean {
  const own = character.charCodeAt(0);
  return (code) => code === own;
}

function isNullable(node: Node): boolean {
  switch (node.kind) {
    case "char":
      return false;
    case "sequence":
      return node.items.every(isNullable);
    case "choice":
      return node.items.some(isNullable);
    case "group":
      return isNullable(node.item);
    case "repeat":
      return node.min === 0 || isNullable(node.item);
    default:
      return true;
  }
}
