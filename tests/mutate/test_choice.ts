import { dirname, join } from "node:path/posix";
import { readReports } from "./read_reports.ts";

/** How far from a mutant tests are looked for. Each stage has those that the earlier ones have not. */
export const STAGES = ["near", "room", "beyond", "system"] as const;

/** `near`: of the room, and importing the file. `room`: the rest of it. `beyond`: importing the file, or the pipeline's. `system`: naming it. */
export type Stage = typeof STAGES[number];

/** The system tests that are run for a file, best match first. */
const MAX_SYSTEM_TESTS = 3;

/** Words that are in the name of many files and tell no subject. */
const SHORTEST_WORD = 4;

/** Which tests there are, and what imports what. */
export class TestChoice {
  readonly #imports: ReadonlyMap<string, readonly string[]>;
  readonly #tests: readonly string[];
  readonly #systemTexts: ReadonlyMap<string, string>;

  private constructor(tree: string, imports: ReadonlyMap<string, readonly string[]>) {
    this.#imports = imports;
    this.#tests = [...imports.keys()].filter((path) => path.endsWith("_test.ts")).sort();
    this.#systemTexts = new Map(this.#systemTests().map((path) => [path, titlesOf(path, tree)]));
  }

  /** Reads `lib/` and `tests/` of a tree. */
  static async read(tree: string): Promise<TestChoice> {
    const imports = new Map<string, string[]>();
    for (const { path, value } of await readReports<string>({ tree, rule: "imports", folders: ["lib", "tests"] })) {
      const named = imports.get(path) ?? [];
      imports.set(path, named);
      if (value.startsWith(".")) named.push(join(dirname(path), value));
    }
    return new TestChoice(tree, imports);
  }

  /** Answers the tests of a stage for a file of a room, those first that are nearest to it. */
  testsOf(stage: Stage, { path, room }: { readonly path: string; readonly room: string }): string[] {
    const folder = room.replace(/^lib\//, "tests/");
    const inRoom = this.#tests.filter((test) => test.startsWith(`${folder}/`));
    const near = inRoom.filter((test) => this.#distance(test, path) <= 1);
    if (stage === "near") return near.sort(closestName(path));
    if (stage === "room") {
      const rest = inRoom.filter((test) => !near.includes(test));
      const distance = new Map(rest.map((test) => [test, this.#distance(test, path)]));
      const byName = closestName(path);
      return rest.sort((one, other) => byName(one, other) || distance.get(one)! - distance.get(other)!);
    }
    if (stage === "beyond") return this.#beyond(path).filter((test) => !inRoom.includes(test));
    return this.#naming(path);
  }

  #beyond(path: string): string[] {
    return this.#tests.filter((test) => {
      if (test.startsWith("tests/system/")) return false;
      const distance = this.#distance(test, path);
      return distance <= 1 || (test.startsWith("tests/pipeline/") && distance < Infinity);
    });
  }

  #naming(path: string): string[] {
    const words = wordsOf(path);
    const scored = this.#systemTests().map((test) => ({
      test,
      score: countWords(words, this.#systemTexts.get(test) ?? ""),
    }));
    return scored.filter(({ score }) => score > 0).sort((one, other) => other.score - one.score)
      .slice(0, MAX_SYSTEM_TESTS).map(({ test }) => test);
  }

  #systemTests(): string[] {
    return this.#tests.filter((test) => test.startsWith("tests/system/"));
  }

  /** How many imports lie between a test and a file; helpers of tests count for nothing. */
  #distance(test: string, path: string): number {
    let reached = new Set([test]);
    const seen = new Set(reached);
    for (let distance = 0; reached.size > 0; distance++) {
      this.#addTestFiles(reached, seen);
      if (reached.has(path)) return distance;
      const next = new Set<string>();
      for (const from of reached) {
        for (const to of this.#imports.get(from) ?? []) if (!seen.has(to)) next.add(to);
      }
      for (const to of next) seen.add(to);
      reached = next;
    }
    return Infinity;
  }

  /** What a test's helpers import, the test imports. */
  #addTestFiles(reached: Set<string>, seen: Set<string>): void {
    for (const from of reached) {
      for (const to of this.#imports.get(from) ?? []) {
        if (!to.startsWith("tests/") || seen.has(to)) continue;
        seen.add(to);
        reached.add(to);
      }
    }
  }
}

/** The name of a test file and the titles of its tests. */
function titlesOf(path: string, tree: string): string {
  const titles = Deno.readTextFileSync(`${tree}/${path}`).matchAll(/Deno\.test\(\s*["'`]([^"'`]*)/g);
  return [path.slice("tests/system/".length), ...[...titles].map(([, title]) => title)].join("\n").toLowerCase();
}

function wordsOf(path: string): string[] {
  const words = path.replace(/^lib\/|\.ts$/g, "").split(/[/_]/);
  return words.filter((word) => word.length >= SHORTEST_WORD).map((word) => word.replace(/s$/, ""));
}

function countWords(words: readonly string[], text: string): number {
  return words.reduce((sum, word) => sum + (text.split(word).length - 1), 0);
}

/** Puts the tests first whose name is the file's, or shares most words with it. */
function closestName(path: string): (one: string, other: string) => number {
  const words = new Set(stemOf(path, ".ts").split("_"));
  const score = (test: string): number => {
    const shared = stemOf(test, "_test.ts").split("_").map((word) => words.has(word) ? 1 : -0.1);
    return shared.reduce((sum, worth) => sum + worth, 0);
  };
  return (one, other) => score(other) - score(one);
}

function stemOf(path: string, ending: string): string {
  return path.slice(path.lastIndexOf("/") + 1, -ending.length);
}
