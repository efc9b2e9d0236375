/**
 * `deno task bench`: the gateway beside a bare `Deno.serve` that returns the same bytes. Each server has one core to itself (core 0), the load
 * and the origin have another; the servers are measured in turn, round by round, so that a machine's moods hit all of them alike.
 * Read the ratios, not the absolute figures. Needs Linux with `taskset` and `wrk`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { measure, type Measured } from "./_load.ts";
import { type Servers, startServers } from "./_servers.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "3" } },
});
const roundCount = Number(values.rounds);
const seconds = Number(values.seconds);
const SIZES = [["1 KB JSON", 1_024], ["100 KB image", 102_400]] as const;
/** Measured together, round by round. What reads and writes the disk comes last: it leaves its marks on the heap and on the core. */
const GROUPS = [["raw", "memory hit"], ["raw", "KV hit"], ["raw", "miss"]] as const;
const WARM_UP_SECONDS = 3;

print(`Rounds of ${seconds} s: ${roundCount}; 64 connections; one core each; Deno ${Deno.version.deno}\n`);
print("| bytes | case | requests/s | p50 | p99 | of raw |");
print("|---|---|---:|---:|---:|---:|");
for (const [label, bytes] of SIZES) await compare(label, bytes);

async function compare(label: string, bytes: number): Promise<void> {
  await using servers = await startServers(bytes);
  for (const [index, group] of GROUPS.entries()) {
    const results = await rounds(servers, group);
    const raw = results.get("raw")!;
    for (const [name, measured] of results) {
      if (name !== "raw" || index === 0) print(row(label, name, { measured, raw }));
    }
  }
}

/** Measures the cases of a group in turn, as often as asked. */
async function rounds(servers: Servers, group: readonly string[]): Promise<Map<string, Measured[]>> {
  const results = new Map<string, Measured[]>(group.map((name) => [name, []]));
  for (const name of group) await measure(servers.target(name), WARM_UP_SECONDS);
  for (let round = 0; round < roundCount; round++) {
    for (const name of group) results.get(name)!.push(await measure(servers.target(name), seconds));
  }
  return results;
}

/** One line of the table; each round is compared with the raw server's of the same round. */
function row(label: string, name: string, { measured, raw }: { measured: Measured[]; raw: Measured[] }): string {
  const ratio = median(measured.map((one, round) => one.requestsPerSecond / raw[round]!.requestsPerSecond));
  const rate = Math.round(median(measured.map((one) => one.requestsPerSecond))).toLocaleString("en");
  const p50 = median(measured.map((one) => one.p50Ms)).toFixed(2);
  const p99 = median(measured.map((one) => one.p99Ms)).toFixed(2);
  return `| ${label} | ${name} | ${rate} | ${p50} ms | ${p99} ms | ${ratio.toFixed(2)} |`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
