/**
 * `deno task bench:connections [--connections N] [--rounds N] [--seconds S]`: what connections cost that do nothing, half of them
 * kept after a request, half with half of a request's head sent. In each round other clients load the gateway alone and then beside
 * them. After the last round it waits until the gateway has closed them all, as its limits say. Memory is the process's resident
 * memory; what the kernel holds for a socket is not in it.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { median } from "./_report.ts";
import { ownLoad, placement } from "./_load.ts";
import { canCount } from "./_pinned_process.ts";
import { startServers } from "./_servers.ts";

/** The defaults of `server.limits`, and how late it may be noticed that one has passed. */
const LIMITS_SECONDS = { head: 10, idle: 75 };
const LATE_SECONDS = 15;
/** The p95 of others may be twice as long as without, and so long in any case. */
const ALLOWED_P95_MS = 60;
const ALLOWED_KB = 10;
const OTHERS = 16;
const OPENING = 64;
const POLL_MS = 100;
const REQUEST = "GET /m/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const HALF_REQUEST = REQUEST.slice(0, -20);

/** One connection that does nothing. */
interface Held {
  readonly connection: Deno.TcpConn;
  /** When the time of its limit began. */
  sinceMs: number;
  /** When the gateway closed it. */
  closedMs: number | null;
}

/** All of one round. */
interface HeldConnections extends Disposable {
  readonly kept: readonly Held[];
  readonly half: readonly Held[];
}

/** What one round came to. */
interface Round {
  readonly quietMs: number;
  readonly besideMs: number;
  readonly kbEach: number;
}

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "10000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
  },
});
const count = Number(values.connections);
const seconds = Number(values.seconds);

print(
  `Deno ${Deno.version.deno}; ${values.rounds} rounds; ${count} connections, half of them kept, half half-sent; ${placement}.\n`,
);
await using servers = await startServers(new Set(["usher"]));
const { port, process } = servers.running.get("usher")!;
// The heap grows to its working size.
await ownLoad({ port, path: "/m/a", connections: OTHERS, seconds });
const descriptors = await process.descriptors();
const rounds: Round[] = [];
for (let left = Number(values.rounds); left > 0; left--) {
  const quietMs = await othersP95Ms();
  const before = await process.usage();
  using held = await openAll();
  await process.settled();
  const kbEach = ((await process.usage()).residentBytes - before.residentBytes) / 1024 / count;
  const besideMs = await othersP95Ms();
  rounds.push({ quietMs, besideMs, kbEach });
  if (left === 1) {
    report();
    await reportEnds("half-sent", held.half, LIMITS_SECONDS.head);
    await reportEnds("kept", held.kept, LIMITS_SECONDS.idle);
    print(`Descriptors of the gateway: ${descriptors} before, ${await process.descriptors()} after.`);
  }
}

/** How fast a hit is for others. */
async function othersP95Ms(): Promise<number> {
  await process.settled();
  const { p95Ms, problem } = await ownLoad({ port, path: "/m/a", connections: OTHERS, seconds });
  if (problem !== "") fail(`Other clients: ${problem}`);
  return p95Ms!;
}

async function openAll(): Promise<HeldConnections> {
  const kept = await open(Math.floor(count / 2), REQUEST);
  await eventually("every kept connection got its response", 60, () => kept.every(({ sinceMs }) => sinceMs > 0));
  const half = await open(Math.ceil(count / 2), HALF_REQUEST);
  return {
    kept,
    half,
    [Symbol.dispose]() {
      for (const { connection, closedMs } of [...kept, ...half]) if (closedMs === null) connection.close();
    },
  };
}

/** Opens connections and sends the same on each. @throws {Error} where the system allows fewer */
async function open(wanted: number, text: string): Promise<Held[]> {
  const bytes = new TextEncoder().encode(text);
  const opened: Held[] = [];
  const openOne = async () => {
    const connection = await Deno.connect({ port });
    const held: Held = { connection, sinceMs: 0, closedMs: null };
    opened.push(held);
    await connection.write(bytes);
    if (text === HALF_REQUEST) held.sinceMs = performance.now();
    void watch(held);
  };
  try {
    while (opened.length < wanted) {
      await Promise.all(Array.from({ length: Math.min(OPENING, wanted - opened.length) }, openOne));
    }
  } catch (error) {
    throw new Error(`Cannot open ${count} connections (ulimit -n, or --connections): ${error}`, { cause: error });
  }
  return opened;
}

/** Reads until the gateway closes the connection. What it sends starts the time of one that is kept. */
async function watch(held: Held): Promise<void> {
  const buffer = new Uint8Array(1024);
  try {
    while (await held.connection.read(buffer) !== null) if (held.sinceMs === 0) held.sinceMs = performance.now();
  } catch (error) {
    // The end of the round.
    if (error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource) return;
  }
  held.closedMs = performance.now();
  held.connection.close();
}

function report(): void {
  const quietMs = median(rounds.map((round) => round.quietMs))!;
  const besideMs = median(rounds.map((round) => round.besideMs))!;
  const kbEach = rounds[0]!.kbEach;
  const allowedMs = Math.max(2 * quietMs, ALLOWED_P95_MS);
  print(`| | quiet | beside them | allowed |
|---|---:|---:|---:|
| p95 of ${OTHERS} other clients, ms, median | ${quietMs.toFixed(2)} | ${besideMs.toFixed(2)} | ${
    allowedMs.toFixed(0)
  } |
| memory of the gateway for each, KB, first round | | ${canCount ? kbEach.toFixed(1) : "–"} | ${ALLOWED_KB} |
`);
  if (besideMs > allowedMs) fail("Other clients wait for too long.");
  if (kbEach > ALLOWED_KB) fail("A connection takes too much memory.");
}

/** Waits until the gateway has closed them, and says when it did. */
async function reportEnds(what: string, held: readonly Held[], limitSeconds: number): Promise<void> {
  const lastMs = Math.max(...held.map(({ sinceMs }) => sinceMs)) + (limitSeconds + LATE_SECONDS) * 1000;
  const leftSeconds = (lastMs - performance.now()) / 1000;
  const open = () => held.filter(({ closedMs }) => closedMs === null).length;
  await eventually("", leftSeconds, () => open() === 0).catch(() => {});
  const took = held.filter(({ closedMs }) => closedMs !== null).map(({ sinceMs, closedMs }) =>
    (closedMs! - sinceMs) / 1000
  );
  const when = took.length === 0 ? "" : `, ${Math.min(...took).toFixed(1)} to ${Math.max(...took).toFixed(1)} s after`;
  const line = `${what}: ${took.length} of ${held.length} closed by the gateway${when} (limit ${limitSeconds} s).`;
  if (open() > 0 || Math.min(...took) < limitSeconds - 1) fail(line);
  else print(line);
}

async function eventually(what: string, timeoutSeconds: number, holds: () => boolean): Promise<void> {
  const untilMs = performance.now() + timeoutSeconds * 1000;
  while (!holds()) {
    if (performance.now() > untilMs) throw new Error(`Waited ${timeoutSeconds} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function fail(line: string): void {
  print(`MISSED ${line}`);
  Deno.exitCode = 1;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
