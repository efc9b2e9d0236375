/**
 * `deno task bench:connections [--connections N] [--rounds N] [--seconds S] [--write]`: slow connections of every kind at once, and how
 * long other clients wait meanwhile. In each round other clients load the gateway alone and then beside them; after the last round it
 * waits until the gateway has closed them all, as its limits say. `--write` puts the result into docs/reliability.md.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { provenance, writeSection } from "../page_section.ts";
import { SLOW_KINDS, SlowClients, type SlowKind } from "../slow_clients.ts";
import { ownLoad, placement } from "./_load.ts";
import { canCount } from "./_pinned_process.ts";
import { median } from "./_report.ts";
import { startServers } from "./_servers.ts";

/** The defaults of `server.limits`, and how late it may be noticed that one has passed. */
const LIMITS_SECONDS: Readonly<Record<SlowKind["limit"], number>> = {
  head_timeout: 10,
  handshake_timeout: 10,
  body_timeout: 30,
  send_timeout: 60,
  idle_timeout: 75,
};
const LATE_SECONDS = 20;
/** The p95 of others may be twice as long as without, and so long in any case. */
const ALLOWED_P95_MS = 60;
const OTHERS = 16;
const POLL_MS = 100;
/** Responses that nobody takes fill the system's memory for sockets: 4 MB each. */
const DEAF_SHARE = 0.025;

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "10000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    write: { type: "boolean", default: false },
  },
});
const count = Number(values.connections);
const seconds = Number(values.seconds);
const lines: string[] = [];

await using servers = await startServers(new Set(["usher"]));
const { port, tlsPort, process } = servers.running.get("usher")!;
const target = { port, tlsPort: tlsPort!, small: "/m/a", large: "/l/a" };
// The heap grows to its working size, and the large response is stored.
await ownLoad({ port, path: "/m/a", connections: OTHERS, seconds });
await (await fetch(`http://127.0.0.1:${port}/l/a`)).bytes();
const descriptors = await process.descriptors();
const quiet: number[] = [];
const beside: number[] = [];
const held: number[] = [];
let kbEach = 0;
for (let left = Number(values.rounds); left > 0; left--) {
  await process.settled();
  quiet.push(await othersP95Ms());
  const before = await process.usage();
  using stack = new DisposableStack();
  const groups = SLOW_KINDS.map((kind) => stack.use(new SlowClients(kind, target)));
  for (const group of groups) await group.connect(countOf(group.kind));
  beside.push(await othersP95Ms());
  held.push(groups.reduce((sum, { open }) => sum + open, 0));
  kbEach = Math.max(kbEach, ((await process.usage()).residentBytes - before.residentBytes) / 1024 / count);
  if (left === 1) await report(groups);
}

/** Of all kinds as many, but for those that cost the system most. */
function countOf({ isDeaf }: SlowKind): number {
  const deaf = Math.round(count * DEAF_SHARE);
  return isDeaf === true ? deaf : Math.ceil((count - deaf) / (SLOW_KINDS.length - 1));
}

/** How fast a hit is for others. */
async function othersP95Ms(): Promise<number> {
  const { p95Ms, problem } = await ownLoad({ port, path: "/m/a", connections: OTHERS, seconds });
  if (problem !== "") fail(`Other clients: ${problem}`);
  return p95Ms!;
}

async function report(groups: readonly SlowClients[]): Promise<void> {
  const [quietMs, besideMs] = [median(quiet)!, median(beside)!];
  const allowedMs = Math.max(2 * quietMs, ALLOWED_P95_MS);
  say(`${values.rounds} rounds, ${placement}; at least ${Math.min(...held)} of ${count} were open all the while.\n`);
  say(`| | quiet | beside them | allowed |\n|---|---:|---:|---:|`);
  say(`| p95 of ${OTHERS} other clients, median, ms | ${shown(quietMs)} | ${shown(besideMs)} | ${shown(allowedMs)} |`);
  if (canCount) say(`| memory of the gateway for each, KB | | ${shown(kbEach)} | |`);
  if (besideMs > allowedMs) fail("Other clients wait for too long.");
  say(`\n| connections | opened | closed by the gateway | seconds after | limit |\n|---|---:|---:|---:|---:|`);
  for (const group of groups.toSorted((a, b) => limitOf(a) - limitOf(b))) await reportEnds(group);
  const left = await process.descriptors();
  say(`\nDescriptors of the gateway: ${descriptors} before, ${left} after.`);
  if (values.write) {
    await writeSection("docs/reliability.md", "slow-connections", [`${await provenance()}:`, ...lines].join("\n"));
  }
}

function limitOf({ kind }: SlowClients): number {
  return LIMITS_SECONDS[kind.limit];
}

/** Waits until the gateway has closed them, and says when it did. */
async function reportEnds(group: SlowClients): Promise<void> {
  const { clients, kind } = group;
  const limitSeconds = limitOf(group);
  // What the system's buffers take late counts as taken.
  const lateSeconds = kind.isDeaf === true ? limitSeconds : LATE_SECONDS;
  const lastMs = Math.max(...clients.map(({ sinceMs }) => sinceMs)) + (limitSeconds + lateSeconds) * 1000;
  // Those that read nothing find out only when they do.
  while (kind.isDeaf === true && performance.now() < lastMs) await pause();
  const readMs = performance.now();
  group.listen();
  while (group.open > 0 && performance.now() < Math.max(lastMs, readMs + LATE_SECONDS * 1000)) await pause();
  const closed = clients.filter(({ closedMs }) => closedMs !== null);
  const took = closed.map(({ sinceMs, closedMs }) => (closedMs! - sinceMs) / 1000);
  const when = kind.isDeaf === true ? "–" : `${shown(Math.min(...took))} to ${shown(Math.max(...took))}`;
  say(`| ${kind.what} | ${clients.length} | ${closed.length} | ${when} | ${limitSeconds} |`);
  if (group.open > 0) fail(`${group.open} are still open.`);
  const isHeld = kind.isDeaf !== true && kind.isRefusable !== true;
  if (isHeld && Math.min(...took) < limitSeconds - 1) fail("Some were closed too early.");
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

function shown(value: number): string {
  return value.toFixed(1);
}

function fail(line: string): void {
  say(`MISSED: ${line}`);
  Deno.exitCode = 1;
}

function say(line: string): void {
  lines.push(line);
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
