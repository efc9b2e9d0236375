/**
 * `deno task scale [--parts sets,memory,disk,sizes] [--entries 1000,100000,1000000] [--write]`: what stored responses cost at scale. With
 * `--write` the tables and the plot go into `docs/performance.md` and `docs/scale.svg`.
 *
 * - `sets`: hits of both tiers on ten kinds of requests, beside a plain LRU and a cache that knows the future;
 * - `memory`: what an entry takes of the process's memory, under load and at rest, beside what it is counted with;
 * - `disk`: what an entry takes on disk, and what becomes of bursts;
 * - `sizes`: start, memory, purges and restart over files of so many entries.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { table, writeSection } from "../../page_section.ts";
import { diskHolding, memoryHolding } from "./holdings.ts";
import { sizesPlot } from "./plot.ts";
import { type SizeFigures, sizeFigures } from "./sizes.ts";
import { diskWorkingSets, workingSets } from "./working_sets.ts";

const MEMORY_ENTRIES = 145_000;
const DISK_ENTRIES = 50_000;
/** Misses a second: what a busy gateway sees at a cold start, and as fast as it goes. */
const RATES = [2_900, Infinity];

const { values } = parseArgs({
  options: {
    parts: { type: "string", default: "sets,memory,disk,sizes" },
    entries: { type: "string", default: "1000,100000,1000000" },
    write: { type: "boolean", default: false },
  },
});
const parts = new Set(values.parts.split(","));
const written: string[] = [];

say(`Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, ${new Date().toISOString().slice(0, 10)}.`);
if (parts.has("sets")) await showSets();
if (parts.has("memory")) await showMemory();
if (parts.has("disk")) await showDisk();
if (parts.has("sizes")) await showSizes(values.entries.split(",").map(Number));
if (values.write) await writeSection("docs/performance.md", "scale", written.join("\n\n"));
Deno.exit();

async function showSets(): Promise<void> {
  const memory = workingSets().map(({ name, best, lru, memory }) => [name, share(best), share(lru), share(memory)]);
  say("Memory tier with room for 2,500 entries, share of 300,000 requests that are hits:");
  say(table([["requests", "ideal", "plain LRU", "memory tier"], ...memory]));
  const disk = await diskWorkingSets();
  say(`Disk tier with room for ${disk[0]!.room} entries, share of 30,000 requests that are hits:`);
  const rows = disk.map(({ name, best, lru, disk }) => [name, share(best), share(lru), share(disk)]);
  say(table([["requests", "ideal", "plain LRU", "disk tier"], ...rows]));
}

async function showMemory(): Promise<void> {
  const { entries, underLoadBytes, atRestBytes, countedBytes } = await memoryHolding(MEMORY_ENTRIES);
  say(`One worker, ${count(entries)} responses of 1 KB with twelve fields, bytes of memory for each:`);
  say(
    table([
      ["", "bytes"],
      ["growth of the process, under load, after each fifth", underLoadBytes.map(count).join(", ")],
      ["growth of the process, after half a minute of rest", count(atRestBytes)],
      ["counted against `cache.memory`", count(countedBytes)],
    ]),
  );
}

async function showDisk(): Promise<void> {
  const rows: string[][] = [];
  for (const rate of RATES) {
    const { entries, bytes, perSecond, dropped, cpuUs } = await diskHolding(DISK_ENTRIES, rate);
    rows.push([count(perSecond), count(entries), count(bytes / entries), count(dropped), count(cpuUs)]);
  }
  say(`${count(DISK_ENTRIES)} misses of 1 KB, one worker, load from the same cores:`);
  say(table([["misses/s", "entries on disk", "bytes for each", "writes dropped", "CPU µs a miss"], ...rows]));
}

async function showSizes(sizes: readonly number[]): Promise<void> {
  const figures: SizeFigures[] = [];
  for (const entries of sizes) figures.push(await sizeFigures(entries));
  say(
    "A gateway with one worker over a file of so many entries of 1 KB; a purge's time is from its call to its return:",
  );
  const rows = figures.map(({ entries, firstAnswerMs, residentBytes, fileBytes, purgeMs, servedAfterPurge }) => [
    count(entries),
    count(firstAnswerMs),
    count(residentBytes / 2 ** 20),
    count(fileBytes / entries),
    ...[purgeMs.url, purgeMs.tag, purgeMs.all].map((ms) => ms.toFixed(0)),
    count(servedAfterPurge),
  ]);
  const head = ["entries", "first answer, ms", "memory, MiB", "bytes on disk for each"];
  say(table([[...head, "purge of a URL, ms", "of a tag", "of all", "purged but served after a restart"], ...rows]));
  if (values.write && figures.length > 1) await Deno.writeTextFile("docs/scale.svg", sizesPlot(figures));
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n\n`));
  written.push(text);
}

function share(value: number): string {
  return `${(value * 100).toFixed(1)} %`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}
