/**
 * `deno task bench:tls [--rounds N] [--seconds S]`: the CPU time of a memory hit with TLS and without, of the gateway and of nginx in
 * turn, and of a handshake with its request; then how long clients of a plain address wait beside load of HTTP/2 (`h2load`), beside
 * handshakes without end, and beside clients that send half of their first message and no more. It takes `wrk`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { loadName, type LoadOptions, ownLoad, placement, putLoad } from "./_load.ts";
import { canCount, isInstalled, LOAD_CORE, pinned } from "./_pinned_process.ts";
import { median } from "./_report.ts";
import { missingServers, type Server, type ServerName, startServers } from "./_servers.ts";

/** What a hit with TLS may cost, in plain ones. */
const ALLOWED_RATIO = 2.2;
/** The p95 of plain clients may be twice as long as without, and so long in any case. */
const ALLOWED_P95_MS = 60;
const CONNECTIONS = 16;
const SLOW_CLIENTS = 1_000;
const SMALL = "/m/a";
const LARGE = "/i/a";
/** The head of a first message, whose rest never comes. */
const HALF_HELLO = new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "2" } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
if (loadName !== "wrk" || !canCount) {
  print("This takes wrk (a package of Debian) and Linux.");
  Deno.exit(1);
}
const wanted = new Set((["usher", "nginx"] as const).filter((name) => !missingServers().includes(name)));
await using servers = await startServers(wanted);
print(
  `Deno ${Deno.version.deno}; ${rounds} rounds of ${seconds} s; ${navigator.hardwareConcurrency} cores; ${placement}.\n`,
);
await reportCosts();
await reportNeighbours();

/** What requests cost, with TLS and without, server by server in turn. */
async function reportCosts(): Promise<void> {
  const kinds = {
    "memory hit, 1 KB": { path: SMALL },
    "memory hit, 100 KB": { path: LARGE },
    "connection and 1 KB": { path: SMALL, closes: true },
  };
  const samples = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const [kind, options] of Object.entries(kinds)) {
      for (const server of servers.running.values()) {
        for (const isTls of [false, true]) {
          const cost = await costUs(server, { ...options, isTls });
          // The first one brings the servers to their working size.
          if (round > 0) {
            samples.set(key(kind, server.name, isTls), [...samples.get(key(kind, server.name, isTls)) ?? [], cost]);
          }
        }
      }
    }
  }
  print("| CPU time, µs | plain | TLS | ratio |\n|---|---:|---:|---:|");
  for (const kind of Object.keys(kinds)) {
    for (const { name } of servers.running.values()) {
      const [plain, secure] = [false, true].map((isTls) => median(samples.get(key(kind, name, isTls))!)!);
      print(`| ${kind}, ${name} | ${plain!.toFixed(1)} | ${secure!.toFixed(1)} | ${(secure! / plain!).toFixed(2)} |`);
      if (kind === "memory hit, 1 KB" && name === "usher" && secure! / plain! > ALLOWED_RATIO) {
        fail("A hit with TLS costs too much.");
      }
    }
  }
}

function key(kind: string, server: ServerName, isTls: boolean): string {
  return `${kind} ${server} ${isTls}`;
}

async function costUs(server: Server, options: Pick<LoadOptions, "path" | "isTls" | "closes">): Promise<number> {
  const port = options.isTls ? server.tlsPort! : server.port;
  const before = await server.process.usage();
  const { requests, problem } = await putLoad({ ...options, port, connections: CONNECTIONS, seconds });
  if (problem !== "") fail(`${server.name}: ${problem}`);
  await server.process.settled();
  return ((await server.process.usage()).cpuSeconds - before.cpuSeconds) / requests * 1e6;
}

/** How long plain clients wait, alone and beside others with TLS. */
async function reportNeighbours(): Promise<void> {
  const usher = servers.running.get("usher")!;
  const tlsPort = usher.tlsPort!;
  const beside: Record<string, () => Promise<AsyncDisposable>> = {
    "alone": () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    "beside handshakes without end": () =>
      running("wrk", ["-t1", "-c8", "-d600s", "-H", "Connection: close", `https://127.0.0.1:${tlsPort}${SMALL}`]),
    [`beside ${SLOW_CLIENTS} clients with half a first message`]: () => slowClients(tlsPort),
  };
  if (isInstalled("h2load")) {
    beside["beside HTTP/2 (h2load, 8 connections of 10 streams)"] = () =>
      running("h2load", ["-D600", "-c8", "-m10", `https://127.0.0.1:${tlsPort}${SMALL}`]);
  }
  const waits = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, start] of Object.entries(beside)) {
      await using _others = await start();
      const { p95Ms, problem } = await ownLoad({ port: usher.port, path: SMALL, connections: CONNECTIONS, seconds });
      if (problem !== "") fail(`Plain clients ${name}: ${problem}`);
      waits.set(name, [...waits.get(name) ?? [], p95Ms!]);
    }
  }
  const quietMs = median(waits.get("alone")!)!;
  const allowedMs = Math.max(2 * quietMs, ALLOWED_P95_MS);
  print(`\n| p95 of ${CONNECTIONS} plain clients (allowed: ${allowedMs.toFixed(0)} ms) | ms |\n|---|---:|`);
  for (const [name, all] of waits) {
    print(`| ${name} | ${median(all)!.toFixed(2)} |`);
    if (median(all)! > allowedMs) fail("Plain clients wait for too long.");
  }
}

/** Load that goes on until it is disposed of. */
function running(program: string, args: readonly string[]): Promise<AsyncDisposable> {
  const child = pinned(LOAD_CORE, program, { args: [...args], stdin: "null", stdout: "null", stderr: "null" }).spawn();
  return Promise.resolve({
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  });
}

/** Clients that begin a handshake and fall silent, each replaced when it is closed. */
async function slowClients(port: number): Promise<AsyncDisposable> {
  let isOver = false;
  const open = new Set<Deno.TcpConn>();
  const one = async () => {
    const memory = new Uint8Array(64);
    while (!isOver) {
      try {
        const connection = await Deno.connect({ hostname: "127.0.0.1", port });
        open.add(connection);
        await connection.write(HALF_HELLO);
        await connection.read(memory);
        connection.close();
        open.delete(connection);
      } catch {
        // The end of the round.
      }
    }
  };
  const clients = Array.from({ length: SLOW_CLIENTS }, one);
  while (open.size < SLOW_CLIENTS) await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    async [Symbol.asyncDispose]() {
      isOver = true;
      for (const connection of open) connection.close();
      await Promise.all(clients);
    },
  };
}

function fail(problem: string): void {
  print(problem);
  Deno.exitCode = 1;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
