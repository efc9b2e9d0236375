import { type ChaosResult, RUNTIME_PANIC } from "./chaos.ts";
import { provenance, table } from "../page_section.ts";
import { FAULTS } from "./schedule.ts";

/** What a run was asked for. */
export interface ChaosTerms {
  readonly minutes: number;
  readonly seed: number;
  readonly rate: number;
  readonly connections: number;
}

/** What a run came to, as a section of docs/reliability.md. */
export async function chaosSection(
  result: ChaosResult,
  { minutes, seed, rate, connections }: ChaosTerms,
): Promise<string> {
  const { tally, seconds, inflicted, purges, complaints, origins } = result;
  const sorted = tally.timesMs.toSorted((a, b) => a - b);
  const at = (share: number) => `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0} ms`;
  const wrong = sum(tally.wrong) + complaints.length;
  const unsafe = origins.reduce((count, one) => count + one.unsafe, 0);
  return [
    `\`deno task chaos --minutes ${minutes} --seed ${seed}\`, ${await provenance()}: ${
      seconds.toFixed(0)
    } s, at most ${rate} requests a second on ` +
    `${connections} connections, two workers.`,
    table([
      ["", "count"],
      ["requests sent", tally.sent],
      ["responses checked", tally.checked],
      ...rows(tally.right).map(([what, count]) => [`right: ${what}`, count]),
      ["lost, where a fault excuses it", sum(tally.lost)],
      ["wrong", wrong],
      ["faults inflicted", inflicted.length],
      ["purges confirmed", sum(purges) - (purges.get("refused") ?? 0)],
      ["requests at origins", origins.reduce((count, one) => count + one.requests, 0)],
      ["unsafe requests at origins, each once", unsafe],
    ]),
    `Right answers took ${at(0.5)} (p50) and ${at(0.99)} (p99), faults included.`,
    faultTable(result),
    wrong === 0
      ? "Nothing was wrong."
      : `Wrong: ${[...rows(tally.wrong).map(([what, count]) => `${count} × ${what}`), ...complaints].join("; ")}.`,
    leftOutText(result),
  ].filter((part) => part !== "").join("\n\n");
}

function faultTable({ inflicted, tally }: ChaosResult): string {
  const names = FAULTS.map(({ name }) => name).filter((name) => inflicted.some(({ fault }) => fault === name));
  const panics = rows(tally.lost).filter(([what]) => what.startsWith(RUNTIME_PANIC));
  return table([
    ["fault", "what it is", "times", "requests lost by it"],
    ...names.map((name) => [
      name,
      FAULTS.find((fault) => fault.name === name)!.about,
      inflicted.filter(({ fault }) => fault === name).length,
      rows(tally.lost).filter(([what]) => what.startsWith(`${name}: `)).map(([what, count]) =>
        `${count} ${what.slice(name.length + 2)}`
      ).join(", ") || "0",
    ]),
    ...panics.map(([what, count]) => [RUNTIME_PANIC, "beside the faults above", "", `${count} ${what.split(": ")[1]}`]),
  ]);
}

function leftOutText({ leftOut }: ChaosResult): string {
  return [...leftOut].map(([name, why]) => `Left out: ${name}, since ${why}.`).join("\n");
}

function rows(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].toSorted(([a], [b]) => a < b ? -1 : 1);
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}
