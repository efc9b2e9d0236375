import type { Mutant } from "./mutant.ts";
import { STAGES } from "./test_choice.ts";
import type { Verdict } from "./trial.ts";

/** A mutant and what became of it: one line of the file of results. */
export type Result = Mutant & Verdict;

/** Reads what earlier runs found, the last result of each mutant by its key. */
export async function readResults(path: string): Promise<Map<string, Result>> {
  try {
    const lines = (await Deno.readTextFile(path)).split("\n").filter((line) => line !== "");
    return new Map(lines.map((line): Result => JSON.parse(line)).map((result) => [result.key, result]));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
}

/** Writes the table by room, and each survivor with its place and its change. */
export function reportResults(results: readonly Result[], rooms: readonly string[]): string {
  const rows = [...rooms.map((room) => results.filter((result) => result.room === room)), [...results]]
    .map((part, index) => rowOf(rooms[index] ?? "all", part));
  const survivors = results.filter(({ verdict }) => verdict === "survived");
  return [
    "| room | mutants | noticed by its nearest tests | by its room | by tests beyond | by system tests | survived | noticed |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ...rows,
    "",
    ...survivors.map(describeSurvivor),
  ].join("\n");
}

function rowOf(name: string, results: readonly Result[]): string {
  const noticed = results.filter(({ verdict }) => verdict === "noticed");
  const tried = results.filter(({ verdict }) => verdict === "noticed" || verdict === "survived").length;
  const byStage = STAGES.map((stage) => noticed.filter((result) => result.stage === stage).length);
  const share = tried === 0 ? "" : `${(noticed.length / tried * 100).toFixed(1)} %`;
  return `| ${[name, tried, ...byStage, tried - noticed.length, share].join(" | ")} |`;
}

function describeSurvivor({ path, line, from, to, stage, key }: Result): string {
  const shown = (text: string): string => JSON.stringify(text.length > 160 ? `${text.slice(0, 160)}…` : text);
  return `${path}:${line} ${shown(from)} -> ${shown(to)} (${stage}, ${key})`;
}
