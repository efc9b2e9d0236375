import { type Node, Parser, PatternError } from "./_parser.ts";

export { PatternError };

/**
 * Regular expressions in at most text length × pattern length steps: all alternatives are followed at once (a Pike VM), as in
 * RE2. Patterns that would take a backtracking engine exponential time are fast, and what needs backtracking (look-around, back
 * references) is refused. Matches and groups are those of JavaScript with the flag `s`: a path has no lines, and an escaped line
 * break must not get past a `.`.
 */

/** Instructions of a compiled pattern; counted repetitions multiply them. So many take half a second for a path of 8 KB at worst. */
const MAX_INSTRUCTIONS = 500;

/** A pattern, ready to match. */
export interface LinearPattern {
  /** Groups in it. */
  readonly groups: number;
  /** The leftmost match; `null` for none. */
  exec(text: string): PatternMatch | null;
}

/** A match. */
export interface PatternMatch {
  readonly start: number;
  readonly end: number;
  /** Text of each group, the first in place 0; empty for one that did not take part. */
  readonly groups: readonly string[];
}

/** One step of the program. `next` and `other` are places in it; where there are two, `next` is preferred. */
type Instruction =
  | { readonly op: "char"; readonly takes: (code: number) => boolean; next: number }
  | { readonly op: "split"; next: number; other: number }
  | { readonly op: "save"; readonly slot: number; next: number }
  /** Clears groups at a new turn of a repetition. */
  | { readonly op: "clear"; readonly from: number; readonly to: number; next: number }
  | { readonly op: "begin" | "end"; next: number }
  | { readonly op: "match"; next: number };

/**
 * Compiles a pattern: literals, `.`, classes (`[a-z]`, `[^/]`, `\d`, `\w`, `\s` and their opposites), groups (`(…)`, `(?:…)`), `|`, `^`,
 * `$`, and `*`, `+`, `?`, `{n,m}` with or without a `?` behind.
 *
 * @throws {PatternError} it is none, or cannot be matched in linear time
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { linearPattern } from "./linear_pattern.ts";
 * assert.deepEqual(linearPattern("^/v3/(.*)$").exec("/v3/a/b"), { start: 0, end: 7, groups: ["a/b"] });
 * assert.equal(linearPattern("(a+)+$").exec("a".repeat(10_000) + "!"), null);
 * assert.throws(() => linearPattern("(a)\\1"), /without back references/);
 * ```
 */
export function linearPattern(source: string): LinearPattern {
  const parser = new Parser(source);
  const tree = parser.parse();
  const { groups } = parser;
  // The usual pattern needs no care: from the beginning on, with one repetition of single characters at most, nothing is tried twice.
  if (isSimple(tree)) return { groups, exec: nativeExec(source) };
  const program = compile(tree);
  return { groups, exec: (text) => run(program, text, 2 * (groups + 1)) };
}

/** Whether a backtracking engine has nothing to go back to: anchored, no choice, one repetition of a single character at most. */
function isSimple(tree: Node): boolean {
  const items = flat(tree);
  return items !== null && items[0]?.kind === "begin" && items.filter(({ kind }) => kind === "repeat").length <= 1;
}

/** The atoms of a pattern one after the other, groups opened; `null` where it has more to it. */
function flat(node: Node): readonly Node[] | null {
  if (node.kind === "choice") return null;
  if (node.kind === "repeat") return node.item.kind === "char" ? [node] : null;
  if (node.kind === "group") return flat(node.item);
  if (node.kind !== "sequence") return [node];
  const items = node.items.map(flat);
  return items.some((item) => item === null) ? null : items.flatMap((item) => item!);
}

function nativeExec(source: string): LinearPattern["exec"] {
  const pattern = new RegExp(source, "s");
  return (text) => {
    const match = pattern.exec(text);
    if (match === null) return null;
    const [whole, ...groups] = match;
    return { start: match.index, end: match.index + whole.length, groups: groups.map((group) => group ?? "") };
  };
}

/** The program of a pattern, put together back to front: each part is told where to go on. */
function compile(tree: Node): readonly Instruction[] {
  const program: Instruction[] = [];
  const add = (instruction: Instruction): number => {
    if (program.length >= MAX_INSTRUCTIONS) {
      throw new PatternError(`a regular expression that is shorter once its repetitions are written out`);
    }
    return program.push(instruction) - 1;
  };
  const emit = (node: Node, next: number): number => {
    switch (node.kind) {
      case "empty":
        return next;
      case "char":
        return add({ op: "char", takes: node.takes, next });
      case "begin":
      case "end":
        return add({ op: node.kind, next });
      case "sequence":
        return node.items.reduceRight((then, item) => emit(item, then), next);
      case "choice":
        return node.items.slice(0, -1).reduceRight(
          (other, item) => add({ op: "split", next: emit(item, next), other }),
          emit(node.items.at(-1)!, next),
        );
      case "group": {
        const end = add({ op: "save", slot: 2 * node.index + 1, next });
        return add({ op: "save", slot: 2 * node.index, next: emit(node.item, end) });
      }
      case "repeat":
        return emitRepeat(node, next);
    }
  };
  const emitRepeat = (node: Extract<Node, { kind: "repeat" }>, next: number): number => {
    const { item, min, max, lazy } = node;
    const turn = (then: number) => clearing(item, emit(item, then), add);
    const choose = (into: number, past: number): Instruction =>
      lazy ? { op: "split", next: past, other: into } : { op: "split", next: into, other: past };
    let start = next;
    if (max === Infinity) {
      const loop = add({ op: "split", next: 0, other: 0 });
      program[loop] = choose(turn(loop), next);
      start = loop;
    } else {
      for (let count = min; count < max; count++) start = add(choose(turn(start), next));
    }
    for (let count = 0; count < min; count++) start = turn(start);
    return start;
  };
  const match = add({ op: "match", next: -1 });
  const first = emit(tree, match);
  // The program begins with its last instruction, wherever the pattern begins.
  add({ op: "save", slot: 0, next: first });
  return program;
}

/** Clears the groups of a repetition's last turn, as JavaScript does. */
function clearing(item: Node, start: number, add: (instruction: Instruction) => number): number {
  const indexes = groupsOf(item);
  if (indexes.length === 0) return start;
  return add({ op: "clear", from: 2 * Math.min(...indexes), to: 2 * Math.max(...indexes) + 1, next: start });
}

function groupsOf(node: Node): readonly number[] {
  switch (node.kind) {
    case "group":
      return [node.index, ...groupsOf(node.item)];
    case "sequence":
    case "choice":
      return node.items.flatMap(groupsOf);
    case "repeat":
      return groupsOf(node.item);
    default:
      return [];
  }
}

/** Follows all alternatives at once, preferred ones first; no instruction is entered twice at one place of the text. */
function run(program: readonly Instruction[], text: string, slots: number): PatternMatch | null {
  const seenAt = new Int32Array(program.length).fill(-1);
  let places: number[] = [];
  let saved: Int32Array[] = [];
  let found: Int32Array | null = null;
  for (let at = 0; at <= text.length; at++) {
    const nextPlaces: number[] = [];
    const nextSaved: Int32Array[] = [];
    const follow = (place: number, groups: Int32Array): void => {
      if (seenAt[place] === at) return;
      seenAt[place] = at;
      const step = program[place]!;
      if (step.op === "split") {
        follow(step.next, groups);
        follow(step.other, groups);
      } else if (step.op === "save") {
        follow(step.next, groups.with(step.slot, at));
      } else if (step.op === "clear") {
        follow(step.next, groups.slice().fill(-1, step.from, step.to + 1));
      } else if (step.op === "begin" || step.op === "end") {
        if (at === (step.op === "begin" ? 0 : text.length)) follow(step.next, groups);
      } else {
        nextPlaces.push(place);
        nextSaved.push(groups);
      }
    };
    for (let index = 0; index < places.length; index++) follow(places[index]!, saved[index]!);
    // The leftmost match wins: no match begins after one that was found.
    if (found === null) follow(program.length - 1, new Int32Array(slots).fill(-1));
    places = [];
    saved = [];
    const code = text.charCodeAt(at);
    for (let index = 0; index < nextPlaces.length; index++) {
      const step = program[nextPlaces[index]!]!;
      if (step.op === "match") {
        found = nextSaved[index]!.with(1, at);
        break;
      }
      if (step.op === "char" && at < text.length && step.takes(code)) {
        places.push(step.next);
        saved.push(nextSaved[index]!);
      }
    }
    if (places.length === 0 && found !== null) break;
  }
  if (found === null) return null;
  const groups = Array.from(
    { length: slots / 2 - 1 },
    (_, index) => text.slice(Math.max(0, found[2 * index + 2]!), Math.max(0, found[2 * index + 3]!)),
  );
  return { start: found[0]!, end: found[1]!, groups };
}
