/**
 * `deno task simulate [--seed N] [--measure] [--write]`: what a cluster of 3 to 1,000 gateways does, by the costs that `costs.ts` holds;
 * `--measure` takes them anew from Debian's `redis-server` and prints them. With `--write` the tables and the plot go into
 * `docs/cluster.md` and `docs/cluster.svg`. The same seed and costs give the same figures.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { linePlot } from "../../line_plot.ts";
import { table, writeSection } from "../../page_section.ts";
import { COSTS } from "./costs.ts";
import { simulateFailover } from "./failover.ts";
import { simulateHotKey } from "./hot_key.ts";
import { type PurgeFigures, simulatePurges } from "./purges.ts";
import { simulateRates } from "./rates.ts";

const GATEWAYS = [3, 10, 30, 100, 300, 1_000];
const PURGES_PER_SECOND = [1, 10, 50, 100];
const SYNC_EVERY_MS = [100, 250, 500];
const WORKERS = 4;
const SECONDS = 10;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    measure: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const costs = values.measure ? await (await import("./measure.ts")).measureCosts() : COSTS;
const written: string[] = [];

say(
  `Seed ${seed}, ${new Date().toISOString().slice(0, 10)}. Costs on the engine, in µs of its one thread: ${
    Object.entries(costs).map(([name, us]) => `${name.slice(0, -2)} ${us}`).join(", ")
  }.`,
);
const purges = showPurges();
const hotKey = showHotKey();
const rates = showRates();
showFailover();
if (values.write) {
  await writeSection("docs/cluster.md", "simulate", written.join("\n\n"));
  await Deno.writeTextFile("docs/cluster.svg", plot());
}

function showPurges(): PurgeFigures[][] {
  const figures = PURGES_PER_SECOND.map((purgesPerSecond) =>
    GATEWAYS.map((gateways) => simulatePurges({ gateways, purgesPerSecond, seconds: SECONDS, seed }, costs))
  );
  say(
    "Purges by random gateways: time from the call to its answer, p50 / p99 in ms, and the share of the engine's thread that is used, " +
      "leases included. A dash: more than one call in a hundred took over 5 s.",
  );
  const rows = GATEWAYS.map((gateways, at) => [
    count(gateways),
    ...figures.flatMap((row) => {
      const { p50Ms, p99Ms, engineBusy, purges, unanswered } = row[at]!;
      const isLost = p99Ms > 5_000 || unanswered > purges / 100;
      return [isLost ? "–" : `${p50Ms.toFixed(0)} / ${p99Ms.toFixed(0)}`, `${(engineBusy * 100).toFixed(1)} %`];
    }),
  ]);
  say(table([["gateways", ...PURGES_PER_SECOND.flatMap((rate) => [`${rate}/s, ms`, "engine"])], ...rows]));
  return figures;
}

function showHotKey(): number[] {
  const figures = GATEWAYS.map((gateways) => simulateHotKey({ gateways, seed }, costs));
  say("A response of 100 KB that all gateways are asked for is purged; the origin needs 200 ms:");
  const rows = figures.map(({ originRequests, halfMs, allMs, engineMs }, at) => [
    count(GATEWAYS[at]!),
    count(originRequests),
    halfMs.toFixed(0),
    allMs.toFixed(0),
    engineMs.toFixed(1),
  ]);
  say(table([["gateways", "requests to the origin", "half have it, ms", "all have it, ms", "engine, ms"], ...rows]));
  return figures.map(({ allMs }) => allMs);
}

function showRates(): number[][] {
  const run = (gateways: number, everyMs: number) => simulateRates({ gateways, everyMs, seed }, costs);
  const figures = SYNC_EVERY_MS.map((everyMs) => GATEWAYS.map((gateways) => run(gateways, everyMs)));
  const alone = GATEWAYS.map((gateways) => run(gateways, 0));
  say(
    "One client asks for ten times its limit of 40/s, spread over all gateways, for 30 s: requests above the limit, and the engine's share " +
      "for 20 clients a call. Last column: the engine is down.",
  );
  const rows = GATEWAYS.map((gateways, at) => [
    count(gateways),
    ...figures.flatMap((row) => [percent(row[at]!.over), `${(row[at]!.engineBusy * 100).toFixed(1)} %`]),
    percent(alone[at]!.over),
  ]);
  say(table([["gateways", ...SYNC_EVERY_MS.flatMap((ms) => [`each ${ms} ms`, "engine"]), "alone"], ...rows]));
  return figures.map((row) => row.map(({ over }) => over * 100));
}

function showFailover(): void {
  say(
    `The primary dies and a replica is promoted; ${WORKERS} workers a gateway. Times are from the promotion on; late misses are those that ` +
      "waited for the deadline of 20 ms.",
  );
  const rows = GATEWAYS.map((gateways) => {
    const { downMs, halfMs, allMs, lateMisses, leasesOver, engineMs } = simulateFailover(
      { gateways, workers: WORKERS, seed },
      costs,
    );
    return [
      count(gateways),
      downMs.toFixed(0),
      halfMs.toFixed(0),
      allMs.toFixed(0),
      (lateMisses / gateways / WORKERS).toFixed(1),
      count(leasesOver),
      engineMs.toFixed(0),
    ];
  });
  const head = ["gateways", "no primary, ms", "half are back, ms", "all are back, ms", "late misses a worker"];
  say(table([[...head, "leases over", "connecting, ms of the engine"], ...rows]));
}

function plot(): string {
  const byRate = (pick: (figures: PurgeFigures) => number) =>
    purges.map((row, n) => ({ name: `${PURGES_PER_SECOND[n]} purges/s`, ys: row.map(pick) }));
  return linePlot(GATEWAYS, [
    { title: "engine's thread, % used", lines: byRate(({ engineBusy }) => engineBusy * 100) },
    { title: "purge call, p50 in ms", lines: byRate(({ p50Ms }) => p50Ms > 1_000 ? Infinity : p50Ms) },
    { title: "hot key purged, ms until all have it", lines: [{ name: "", ys: hotKey }] },
    {
      title: "requests above a limit, %",
      lines: rates.map((ys, n) => ({ name: `each ${SYNC_EVERY_MS[n]} ms`, ys: ys.map((over) => Math.max(0, over)) })),
    },
  ]);
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n\n`));
  written.push(text);
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function percent(share: number): string {
  return `${share < 0 ? "−" : "+"}${Math.abs(share * 100).toFixed(1)} %`;
}
