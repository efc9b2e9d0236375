/**
 * `deno task soak [--minutes N] [--seed S] [--write]`: half of the load that a gateway can bear here, and whether its memory,
 * descriptors, connections and KV file stay as they are. Prints them as they go; ends with 1 where one grew, or a response was wrong.
 */
import { parseArgs } from "node:util";
import { provenance, table, writeSection } from "../page_section.ts";
import { type FigureName, FIGURES, type Figures } from "./figures.ts";
import { runSoak, type SoakResult } from "./soak.ts";
import { isFlat, type Trend, trendOf } from "./trend.ts";

/** The first part of a run, in which caches fill. */
const WARM_UP_SHARE = 0.25;
/** Lines of the table. */
const LINES = 12;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    connections: { type: "string", default: "32" },
    write: { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const connections = Number(values.connections);
if (!(minutes > 0 && connections > 0) || !Number.isSafeInteger(seed)) {
  print("Cannot run that: --minutes and --connections above 0, --seed a whole number");
  Deno.exit(2);
}
const names = Object.keys(FIGURES) as FigureName[];
const series: { readonly seconds: number; readonly figures: Figures }[] = [];
print(["seconds", ...names].join("\t"));
const result = await runSoak({
  minutes,
  seed,
  connections,
  everySeconds: Math.min(15, minutes * 60 / 40),
  said: print,
  onFigures(seconds, figures) {
    series.push({ seconds, figures });
    print([seconds.toFixed(0), ...names.map((name) => shown(figures[name]))].join("\t"));
  },
});
const warm = series.filter(({ seconds }) => seconds >= WARM_UP_SHARE * minutes * 60);
const trends = names.map((name) => ({
  name,
  trend: trendOf(warm.map(({ seconds, figures }) => ({ seconds, value: figures[name] }))),
}));
const section = await sectionOf(result);
print(`\n${section}`);
for (const sample of result.tally.samples) print(`\nWRONG ${JSON.stringify(sample)}`);
if (values.write) await writeSection("docs/reliability.md", "soak", section);
Deno.exitCode = trends.every(({ name, trend }) => isFlat(trend, FIGURES[name])) && result.tally.wrong.size === 0
  ? 0
  : 1;

async function sectionOf({ tally, capacity, rate, seconds }: SoakResult): Promise<string> {
  const wrong = [...tally.wrong].map(([what, count]) => `${count} × ${what}`).join(", ");
  return [
    `\`deno task soak --minutes ${minutes}\`, ${await provenance()}: ${rate} requests a second for ${
      seconds.toFixed(0)
    } s, ` +
    `half of the ${Math.round(capacity)} that the checking client got out of this machine; two workers. ` +
    `${tally.checked} responses were checked; wrong: ${wrong || "none"}.`,
    table([["figure", "least", "mean", "most", "change after the warm-up", "judged"], ...trends.map(trendRow)]),
    table([
      ["at", ...names.map((name) => FIGURES[name].name)],
      ...sparse().map(({ seconds, figures }) => [
        `${(seconds / 60).toFixed(1)} min`,
        ...names.map((name) => shown(figures[name])),
      ]),
    ]),
  ].join("\n\n");
}

function trendRow({ name, trend }: { readonly name: FigureName; readonly trend: Trend }): (string | number)[] {
  const { least, mean, most, change } = trend;
  const judged = isFlat(trend, FIGURES[name]) ? "flat" : "grows";
  return [
    FIGURES[name].name,
    shown(least),
    shown(mean),
    shown(most),
    `${change < 0 ? "" : "+"}${shown(change)}`,
    judged,
  ];
}

/** Some of the series, the first and the last included. */
function sparse(): typeof series {
  const step = (series.length - 1) / (LINES - 1);
  if (step <= 1) return series;
  return Array.from({ length: LINES }, (_, index) => series[Math.round(index * step)]!);
}

function shown(value: number): string {
  return value.toFixed(Number.isInteger(value) ? 0 : 1);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
