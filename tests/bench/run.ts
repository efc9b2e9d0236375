/**
 * `deno task bench [--rounds N] [--seconds S] [--cases a,b] [--json FILE]`: what a request costs through the gateway, beside nginx,
 * Varnish and bare servers of the runtime, in one run. Each server has one core to itself, load and origin have another, and the
 * servers take turns round by round, so that a machine's moods hit all of them alike. CPU time per request (of all processes of a
 * server) is far steadier than requests per second; ratios within a round are steadier than either.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { loadName, type Measured, ownLoad, placement, putLoad } from "./_load.ts";
import { canCount } from "./_pinned_process.ts";
import { costTables, crowdTable, latencyTable, type Results, resultsJson, type Sample } from "./_report.ts";
import {
  answered,
  missingServers,
  type Server,
  SERVER_NAMES,
  type ServerName,
  type Servers,
  startServers,
} from "./_servers.ts";

/** What is asked of whom. */
interface Case {
  readonly name: string;
  readonly path: string;
  readonly servers: readonly ServerName[];
  /** Another path with each request. */
  readonly isDistinct: boolean;
  /** Where the gateway is asked for another path than the others. */
  readonly gatewayPath?: string;
  /** What the gateway says of such a request; anything else would be another case. */
  readonly cacheStatus: RegExp;
  readonly connections: number;
}

const CACHES: readonly ServerName[] = ["usher", "nginx", "varnish"];
const HIT = { isDistinct: false, servers: [...CACHES, "memory"], cacheStatus: /; hit;.*detail=memory/ } as const;
const DISK = { isDistinct: false, servers: ["usher", "nginx"], cacheStatus: /; hit;.*detail=(kv|disk)/ } as const;
const PASS = { isDistinct: true, servers: [...CACHES, "pass"], cacheStatus: /fwd=uri-miss(?!.*stored)/ } as const;
const MISS = { isDistinct: true, servers: CACHES, cacheStatus: /fwd=uri-miss; stored/ } as const;
const CONNECTIONS = 64;
const CROWD = 4_000;

const CASES: readonly Case[] = [
  { name: "hit-1k", path: "/m/a", connections: CONNECTIONS, ...HIT },
  { name: "hit-100k", path: "/i/a", connections: CONNECTIONS, ...HIT },
  { name: "disk-1k", path: "/m/a", gatewayPath: "/k/m/a", connections: CONNECTIONS, ...DISK },
  { name: "disk-100k", path: "/i/a", gatewayPath: "/k/i/a", connections: CONNECTIONS, ...DISK },
  { name: "pass-1k", path: "/ns/m/", connections: CONNECTIONS, ...PASS },
  { name: "pass-100k", path: "/ns/i/", connections: CONNECTIONS, ...PASS },
  { name: "miss-1k", path: "/m/", connections: CONNECTIONS, ...MISS },
  { name: "miss-100k", path: "/i/", connections: CONNECTIONS, ...MISS },
  { name: "latency-1k", path: "/m/a", connections: 1, ...HIT },
  { name: "latency-100k", path: "/i/a", connections: 1, ...HIT },
  { name: "crowd-4", path: "/m/a", connections: 4, ...HIT },
  { name: "crowd-4000", path: "/m/a", connections: CROWD, ...HIT },
];
const WARM_UP_SECONDS = 1;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    cases: { type: "string", default: CASES.map(({ name }) => name).join(",") },
    json: { type: "string" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const cases = values.cases.split(",").map(caseOf);
let seed = 0;

const missing = missingServers();
const wanted = new Set(SERVER_NAMES.filter((name) => !missing.includes(name)));
const place = `${navigator.hardwareConcurrency} cores; ${placement}`;
print(`Deno ${Deno.version.deno}; ${rounds} rounds of ${seconds} s; load: ${loadName}; ${place}.`);
if (missing.length > 0) print(`Left out, since not installed (Debian packages of these names): ${missing.join(", ")}.`);
if (!canCount) print("CPU time is read from /proc, so it is told on Linux only.");
const results = await compare();
for (const table of [costTables(results), latencyTable(results), crowdTable(results)]) if (table !== "") print(table);
const problems = [...results].flatMap(([name, servers]) =>
  [...servers].flatMap(([server, samples]) => samples.map(({ problem }) => problem && `${name}, ${server}: ${problem}`))
).filter((line) => line !== "");
if (problems.length > 0) print(problems.join("\n"));
if (values.json !== undefined) {
  const about = { date: new Date().toISOString(), deno: Deno.version.deno, rounds, seconds, load: loadName, place };
  await Deno.writeTextFile(values.json, resultsJson(about, results));
}
if (problems.some((line) => line.includes(", usher: "))) Deno.exitCode = 1;

/** Every case, server by server and round by round. */
async function compare(): Promise<Results> {
  await using servers = await startServers(wanted);
  const results = new Map<string, Map<ServerName, Sample[]>>();
  const crowds = cases.filter(isCrowd);
  // Few and many connections are compared with each other, so they belong into one round.
  for (const group of [...cases.filter((one) => !isCrowd(one)).map((one) => [one]), crowds]) {
    for (const one of group) results.set(one.name, await prepare(one, servers));
    for (let round = 0; round < rounds; round++) await measureRound(group, servers, results);
  }
  return results;
}

/** Sees that the case is one, and brings the servers to their working size; their samples are still to come. */
async function prepare(one: Case, { running }: Servers): Promise<Map<ServerName, Sample[]>> {
  const servers = [...running.values()].filter(({ name }) => one.servers.includes(name));
  await isWhatItSays(one, running.get("usher")!);
  if (!isCrowd(one)) { for (const server of servers) await load(one, server, Math.min(seconds, WARM_UP_SECONDS)); }
  return new Map(servers.map(({ name }) => [name, []]));
}

async function measureRound(
  group: readonly Case[],
  { running }: Servers,
  results: ReadonlyMap<string, ReadonlyMap<ServerName, Sample[]>>,
): Promise<void> {
  for (const server of running.values()) {
    for (const one of group) {
      const samples = results.get(one.name)!.get(server.name);
      if (samples !== undefined) samples.push(await measure(one, server));
    }
  }
}

/** Asks the gateway until it answers as the case supposes. @throws {Error} when it does not */
async function isWhatItSays(one: Case, usher: Server): Promise<void> {
  let told = "";
  for (let turn = 0; turn < 20; turn++) {
    const path = `${one.gatewayPath ?? one.path}${one.isDistinct ? `check-${one.name}-${turn}` : ""}`;
    told = (await answered(usher.port, path)).headers.get("cache-status") ?? "";
    if (one.cacheStatus.test(told)) return;
    await usher.process.settled();
  }
  throw new Error(`Cannot measure "${one.name}": the gateway says ${JSON.stringify(told)}`);
}

/** One run of load and what it cost. */
async function measure(one: Case, server: Server): Promise<Sample> {
  const { cpu, measured } = isCrowd(one) ? await crowd(one, server) : await load(one, server, seconds);
  return sampleOf(cpu / measured.requests, measured);
}

function isCrowd({ name }: Case): boolean {
  return name.startsWith("crowd-");
}

/** What requests cost while all connections are open: to open and close thousands of them takes as much again. */
async function crowd({ path, connections }: Case, { port, process }: Server) {
  const cpuSeconds: number[] = [];
  const read = async () => void cpuSeconds.push((await process.usage()).cpuSeconds);
  const measured = await ownLoad({ port, path, connections, seconds }, { onOpen: read, onDone: read });
  return { cpu: cpuSeconds[1]! - cpuSeconds[0]!, measured };
}

function sampleOf(cpuSeconds: number, { requestsPerSecond, p50Ms, p99Ms, problem }: Measured): Sample {
  return { cpuUs: canCount ? cpuSeconds * 1e6 : null, requestsPerSecond, p50Ms, p99Ms, problem };
}

async function load(one: Case, { name, port, process }: Server, seconds: number) {
  const path = name === "usher" ? one.gatewayPath ?? one.path : one.path;
  const { isDistinct, connections } = one;
  const before = await process.usage();
  const distinct = isDistinct ? `${path}${Deno.pid}-${seed++}-` : path;
  const measured = await putLoad({ port, path: distinct, isDistinct, connections, seconds });
  await process.settled();
  return { cpu: (await process.usage()).cpuSeconds - before.cpuSeconds, measured };
}

function caseOf(name: string): Case {
  const found = CASES.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new Error(`No case is called "${name}": there are ${CASES.map((one) => one.name).join(", ")}`);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
