/**
 * `deno task chaos [--minutes N] [--seed S] [--rate N] [--only a,b] [--without a,b] [--write] [--keep]`: a gateway under load while it is
 * broken in every way of `schedule.ts`, and a client that knows every right answer. Ends with 1 where one was wrong.
 */
import { parseArgs } from "node:util";
import { type ChaosResult, runChaos } from "./chaos.ts";
import { chaosSection } from "./report.ts";
import { writeSection } from "../page_section.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    seed: { type: "string" },
    rate: { type: "string", default: "150" },
    connections: { type: "string", default: "32" },
    only: { type: "string" },
    without: { type: "string", default: "" },
    write: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const rate = Number(values.rate);
const connections = Number(values.connections);
if (![minutes, rate, connections].every((value) => value > 0) || !Number.isSafeInteger(seed)) {
  await print("Cannot run that: --minutes, --rate and --connections above 0, --seed a whole number");
  Deno.exit(2);
}
const only = values.only?.split(",");
const without = values.without.split(",");
const startedMs = Date.now();
const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopped.abort());
const result = await runChaos({
  minutes,
  seed,
  rate,
  connections,
  without: (name) => without.includes(name) || only !== undefined && !only.includes(name),
  keeps: values.keep,
  signal: stopped.signal,
  said: (line) => void print(`${((Date.now() - startedMs) / 1000).toFixed(1).padStart(7)}  ${line}`),
});
const section = await chaosSection(result, { minutes, seed, rate, connections });
await print(`\n${section}`);
for (const sample of result.tally.samples) await print(`\nWRONG ${JSON.stringify(sample)}`);
if (values.keep) await print(`\nFiles: ${result.shop.directory}`);
if (values.write) await writeSection("docs/reliability.md", "chaos", section);
Deno.exitCode = isClean(result) ? 0 : 1;

function isClean({ tally, complaints }: ChaosResult): boolean {
  return tally.wrong.size === 0 && complaints.length === 0;
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}
