/**
 * `deno task bench:fairness [--rounds N] [--seconds S] [--write]`: how long clients of one listener wait while another one is flooded,
 * in every way that takes the worker's time; then what a flood of misses does that is far more than a worker can fetch. In each round
 * clients are measured alone and beside each flood. `--write` puts the result into docs/reliability.md.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { provenance, writeSection } from "../page_section.ts";
import { type Measured, ownLoad, placement } from "./_load.ts";
import { median } from "./_report.ts";
import { startServers } from "./_servers.ts";

/** The p95 of others may be twice as long as without, and so long in any case. */
const ALLOWED_P95_MS = 60;
const OTHERS = 8;
/** Connections that ask for more than the worker can fetch. */
const TOO_MANY = 3_000;
const RECOVERY_MS = 1_000;

const FLOODS = {
  "misses of 3 MB, 64 clients": { path: "/o/x/", connections: 64, isDistinct: true },
  "3 MB passed on, 64 clients": { path: "/o/ns/x/", connections: 64, isDistinct: true },
  "hits of 3 MB, 64 clients": { path: "/o/x/same", connections: 64 },
  "misses of 1 KB, 256 clients": { path: "/o/m/", connections: 256, isDistinct: true },
  "hits of 1 KB, 256 clients": { path: "/o/m/same", connections: 256 },
};

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const lines: string[] = [];
let n = 0;

await using servers = await startServers(new Set(["usher"]));
const { port, process } = servers.running.get("usher")!;
say(`${rounds} rounds, ${placement}.\n`);
await reportFloods();
await reportOverload();
if (values.write) {
  await writeSection("docs/reliability.md", "fairness", [`${await provenance()}:`, ...lines].join("\n"));
}

async function reportFloods(): Promise<void> {
  const waits = new Map<string, number[]>([["alone", []]]);
  for (let round = 0; round < rounds; round++) {
    waits.get("alone")!.push(await others());
    for (const [name, flood] of Object.entries(FLOODS)) {
      const beside = await during(flood, seconds + 1, others);
      waits.set(name, [...waits.get(name) ?? [], beside.result]);
      await process.settled();
    }
  }
  const quietMs = median(waits.get("alone")!)!;
  const allowedMs = Math.max(2 * quietMs, ALLOWED_P95_MS);
  say(`| other listener | p95 of ${OTHERS} clients, median, ms |\n|---|---:|`);
  for (const [name, all] of waits) say(`| ${name} | ${median(all)!.toFixed(1)} |`);
  say(`\nAllowed: ${allowedMs.toFixed(0)} ms.`);
  if ([...waits.values()].some((all) => median(all)! > allowedMs)) fail("Others wait for too long.");
}

/** What a flood of misses comes to that never ends by itself, hits of the same listener beside it, and how soon it is over. */
async function reportOverload(): Promise<void> {
  const capacity = await ownLoad({ port, path: fresh("/o/m/"), isDistinct: true, connections: OTHERS, seconds });
  const before = await process.usage();
  const { result, flood } = await during(
    { path: "/o/m/", connections: TOO_MANY, isDistinct: true },
    seconds + 3,
    async () => ({ p95Ms: await others("/o/m/same"), usage: await process.usage() }),
  );
  const endedMs = performance.now();
  const first = await fetch(`http://127.0.0.1:${port}${fresh("/o/m/")}`);
  await first.body?.cancel();
  const recoveryMs = performance.now() - endedMs;
  const grownMB = (result.usage.residentBytes - before.residentBytes) / 1024 ** 2;
  say(`\n| misses without end, ${TOO_MANY} clients | |\n|---|---:|`);
  say(`| misses a second that ${OTHERS} clients get | ${capacity.requestsPerSecond.toFixed(0)} |`);
  say(`| misses a second that were answered 200 | ${flood.requestsPerSecond.toFixed(0)} |`);
  say(`| p95 of those, ms | ${flood.p95Ms!.toFixed(0)} |`);
  say(`| others | ${flood.problem || "none"} |`);
  say(`| p95 of hits beside them, ms | ${result.p95Ms.toFixed(1)} |`);
  say(`| memory more than before, MB | ${grownMB.toFixed(0)} |`);
  say(`| first miss after the end, ms | ${recoveryMs.toFixed(0)}, status ${first.status} |`);
  if (first.status !== 200 || recoveryMs > RECOVERY_MS) fail("It does not recover within a second.");
}

/** Floods for so long, and measures meanwhile. */
async function during<T>(
  flood: { readonly path: string; readonly connections: number; readonly isDistinct?: boolean },
  floodSeconds: number,
  measure: () => Promise<T>,
): Promise<{ readonly result: T; readonly flood: Measured }> {
  const path = flood.isDistinct === true ? fresh(flood.path) : flood.path;
  const { promise: opened, resolve: onOpen } = Promise.withResolvers<void>();
  const running = ownLoad({ ...flood, path, port, seconds: floodSeconds }, {
    onOpen: () => Promise.resolve(onOpen()),
  });
  await opened;
  const result = await measure();
  return { result, flood: await running };
}

/** How fast a hit is for others. */
async function others(path = "/m/a"): Promise<number> {
  const { p95Ms, problem } = await ownLoad({ port, path, connections: OTHERS, seconds });
  if (problem !== "") fail(`Other clients: ${problem}`);
  return p95Ms!;
}

/** A path that nobody has asked for. */
function fresh(path: string): string {
  return `${path}${++n}-`;
}

function fail(problem: string): void {
  say(`MISSED: ${problem}`);
  Deno.exitCode = 1;
}

function say(text: string): void {
  lines.push(text);
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
