/**
 * `deno task footprint [--workers 1,2,4] [--memory 64MiB,256MiB]`: what a gateway takes of the machine's memory, beside what `check` and
 * `doctor` say that it takes: after its start, with a full memory tier, with large bodies on their way in, after some rest, and with
 * 1,000 connections that do nothing. In MiB of what is resident, files included.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { parseSizeBytes } from "../../../lib/config/yaml/units.ts";
import { memoryNeed } from "../../../lib/inspect/memory_need.ts";
import { closing, temporaryFolder } from "./holdings.ts";
import { load, rest, type ScaleGateway, startOrigin, startScaleGateway } from "./gateway.ts";

const MIB = 1024 * 1024;
const FILLING_BYTES = 20_000;
/** Large bodies: how many of how many bytes. */
const LARGE = [[600, 300_000], [150, 3_000_000], [60, 12_000_000]] as const;
const CONNECTIONS = 1_000;
const REST_SECONDS = 30;

const { values } = parseArgs({
  options: { workers: { type: "string", default: "1,2,4" }, memory: { type: "string", default: "64MiB,256MiB" } },
});

say("workers | cache.memory | started | full, at rest | said | most | said | after rest | KiB a connection");
for (const workers of values.workers.split(",").map(Number)) {
  for (const memory of values.memory.split(",")) say((await footprint(workers, memory)).join(" | "));
}
Deno.exit();

async function footprint(workers: number, memory: string): Promise<readonly string[]> {
  using origin = closing(startOrigin());
  await using folder = await temporaryFolder();
  const cache = { memory, disk: "1GiB" };
  await using gateway = await startScaleGateway({ directory: folder.path, originPort: origin.port, cache, workers });
  await rest(5);
  const started = (await gateway.shownBytes()).now;
  const memoryBytes = parseSizeBytes(memory)!;
  // Connections are not spread evenly over the workers: twice as much fills all of them.
  await load({ port: gateway.port, from: 0, count: 2 * memoryBytes / FILLING_BYTES, prefix: `/b/${FILLING_BYTES}/` });
  await rest(REST_SECONDS);
  const full = (await gateway.shownBytes()).now;
  for (const [count, bytes] of LARGE) await load({ port: gateway.port, from: 0, count, prefix: `/b/${bytes}/` });
  const { most } = await gateway.shownBytes();
  await rest(REST_SECONDS);
  const after = (await gateway.shownBytes()).now;
  const need = memoryNeed({ server: { workers }, cache: { memoryBytes, fillMemoryBytes: 64 * MIB, diskBytes: 1 } });
  const eachBytes = await connectionBytes(gateway);
  const figures = [started, full, need.restBytes, most, need.mostBytes, after].map((bytes) => (bytes / MIB).toFixed(0));
  return [String(workers), memory, ...figures, (eachBytes / 1024).toFixed(1)];
}

async function connectionBytes(gateway: ScaleGateway): Promise<number> {
  const before = (await gateway.shownBytes()).now;
  const opened: Deno.Conn[] = [];
  for (let n = 0; n < CONNECTIONS; n++) opened.push(await Deno.connect({ port: gateway.port }));
  await rest(2);
  const after = (await gateway.shownBytes()).now;
  for (const connection of opened) connection.close();
  return (after - before) / CONNECTIONS;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
