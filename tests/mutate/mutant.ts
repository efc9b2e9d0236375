import { createHash } from "node:crypto";
import type { Change } from "./operators.ts";
import { readReports } from "./read_reports.ts";

/** One change of one file. */
export interface Mutant extends Change {
  /** Names it from run to run: the seed, the file's name, its line and the change make it, so that a file may move. */
  readonly key: string;
  /** The room, as it was asked for: `lib/wire`. */
  readonly room: string;
  /** Relative to the tree, as `lib/wire/octets.ts`. */
  readonly path: string;
  readonly line: number;
  readonly from: string;
}

/** Where mutants are looked for, and in which order they come. */
export interface MutantQuery {
  /** The folder of the repository or of its copy. */
  readonly tree: string;
  readonly rooms: readonly string[];
  readonly seed: string;
}

/** Finds every mutant of the rooms, in an order that only the seed and the sources decide: the first N are a fair sample. */
export async function findMutants({ tree, rooms, seed }: MutantQuery): Promise<Mutant[]> {
  const mutants: Mutant[] = [];
  for (const room of rooms) {
    const reports = await readReports<Change>({ tree, rule: "changes", folders: [room] });
    const seen = new Map<string, number>();
    for (const { path, value } of reports) mutants.push(nameMutant({ tree, room, path, change: value, seed, seen }));
  }
  return mutants.sort((one, other) => one.key < other.key ? -1 : 1);
}

/** Answers the file's text with the change made. */
export function mutate(text: string, { start, end, to }: Change): string {
  return text.slice(0, start) + to + text.slice(end);
}

interface Found extends Pick<Mutant, "room" | "path"> {
  readonly tree: string;
  readonly change: Change;
  readonly seed: string;
  /** How often the same change was found so far, by what names it. */
  readonly seen: Map<string, number>;
}

function nameMutant({ tree, room, path, change, seed, seen }: Found): Mutant {
  const text = Deno.readTextFileSync(`${tree}/${path}`);
  const { start, end, to } = change;
  const before = text.slice(0, start);
  const line = text.slice(before.lastIndexOf("\n") + 1).split("\n", 1)[0]?.trim();
  const from = text.slice(start, end);
  const name = [path.slice(path.lastIndexOf("/") + 1), line, from, to].join("\n");
  const count = (seen.get(name) ?? 0) + 1;
  seen.set(name, count);
  const key = createHash("sha256").update(`${seed}\n${name}\n${count}`).digest("hex").slice(0, 16);
  return { ...change, key, room, path, line: before.split("\n").length, from };
}
