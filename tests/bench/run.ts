/**
 * `deno task bench`: the gateway beside a bare `Deno.serve` that returns the same bytes. Each server has one core to itself (core 0), the load
 * and the origin have another; the servers are measured in turn, round by round, so that a machine's moods hit all of them alike.
 * Read the ratios, not the absolute figures. Needs Linux with `taskset` and `wrk`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { measure, type Measured } from "./_load.ts";
import { startServers } from "./_servers.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "3" } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const SIZES = [["1 KB JSON", 1_024], ["100 KB image", 102_400]] as const;
const CASES = ["raw", "memory hit", "KV hit", "miss"] as const;

print(`Rounds of ${seconds} s: ${rounds}; 64 connections; one core each; Deno ${Deno.version.deno}\n`);
print("| bytes | case | requests/s | p50 | p99 | of raw |");
print("|---|---|---:|---:|---:|---:|");
for (const [label, bytes] of SIZES) await compare(label, bytes);

async function compare(label: string, bytes: number): Promise<void> {
  await using servers = await startServers(bytes);
  const results = new Map<string, Measured[]>(CASES.map((name) => [name, []]));
  for (const name of CASES) await measure(servers.target(name), 1);
  for (let round = 0; round < rounds; round++) {
    for (const name of CASES) results.get(name)!.push(await measure(servers.target(name), seconds));
  }
  const raw = results.get("raw")!;
  for (const name of CASES) {
    const measured = results.get(name)!;
    // Each round is compared with the raw server's of the same round.
    const ratio = median(measured.map((one, round) => one.requestsPerSecond / raw[round]!.requestsPerSecond));
    const rate = Math.round(median(measured.map((one) => one.requestsPerSecond))).toLocaleString("en");
    const p50 = median(measured.map((one) => one.p50Ms)).toFixed(2);
    const p99 = median(measured.map((one) => one.p99Ms)).toFixed(2);
    print(`| ${label} | ${name} | ${rate} | ${p50} ms | ${p99} ms | ${ratio.toFixed(2)} |`);
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
