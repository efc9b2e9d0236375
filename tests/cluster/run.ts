/**
 * `deno task cluster [--cases a,b] [--rounds N] [--seconds S] [--write]`: what a cluster of three gateways over a Redis server holds to, in
 * the long form; the tests have the short one. With `--write` the table goes into `docs/cluster.md`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { table, writeSection } from "../page_section.ts";
import { rateErrors } from "./client_rate_errors.ts";
import {
  type Bed,
  bedOf,
  type BedOptions,
  CAN_RUN,
  changeElsewhere,
  purgeEverywhere,
  type PurgeFigures,
  purgeThatTheEngineLost,
  purgeWhileKilled,
  purgeWhilePaused,
  purgeWithoutEngine,
  seeEachOther,
} from "./purge_cases.ts";
import { shareErrors } from "./rate_share_errors.ts";

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "" },
    rounds: { type: "string", default: "50" },
    seconds: { type: "string", default: "30" },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
/** Answers asked of each gateway after each purge. */
const ASKS = 40;
const LEASE_MS = 2_000;
const SERVES: BedOptions = { leaseMs: 5_000, alone: "serve" };
const REVALIDATES: BedOptions = { leaseMs: LEASE_MS, alone: "revalidate" };

interface Case {
  readonly name: string;
  readonly claim: string;
  /** What was measured; rejects where the claim does not hold. */
  readonly run: () => Promise<string>;
}

const CASES: readonly Case[] = [
  {
    name: "purge",
    claim: "nothing purged is served once the call has returned; clocks ±60 s apart",
    run: () => onBed(SERVES, async (bed) => purgesOf(await purgeEverywhere(bed, Math.ceil(rounds / 5), ASKS))),
  },
  {
    name: "paused",
    claim: "a gateway that was paused serves nothing purged when it goes on (`alone: revalidate`); the call names it",
    run: () => onBed(REVALIDATES, async (bed) => purgesOf(await purgeWhilePaused(bed, rounds, LEASE_MS))),
  },
  {
    name: "killed",
    claim: "nor does one that was killed, of what is on its disk",
    run: () =>
      onBed(REVALIDATES, async (bed) => {
        const all: PurgeFigures[] = [];
        for (let n = 0; n < 3; n++) all.push(await purgeWhileKilled(bed, n, LEASE_MS));
        return purgesOf(joined(all));
      }),
  },
  {
    name: "lost",
    claim: "nor where the engine has lost all meanwhile",
    run: () => onBed(REVALIDATES, async (bed) => purgesOf(await purgeThatTheEngineLost(bed, LEASE_MS))),
  },
  {
    name: "outbox",
    claim: "what is purged while the engine is down is purged everywhere when it is back",
    run: () => onBed(SERVES, async (bed) => (await purgeWithoutEngine(bed), "done")),
  },
  {
    name: "unsafe",
    claim: "what an unsafe request changes at one gateway is not served by the others",
    run: () => onBed(SERVES, async (bed) => (await changeElsewhere(bed), "done")),
  },
  {
    name: "members",
    claim: "each gateway sees all, and none behind",
    run: () => onBed(SERVES, async (bed) => (await seeEachOther(bed), "done")),
  },
  ...[2, 5, 10].map((gateways): Case => ({
    name: `rates-${gateways}`,
    claim:
      `a client's limit over ${gateways} gateways, ten times that offered, clocks ±60 s apart: at most +5 %, +10 % without the engine`,
    run: async () => {
      const { up, down } = await rateErrors(gateways, seconds);
      assert.ok(up <= 0.05 && down <= 0.1, `${percent(up)}, ${percent(down)}`);
      return `${percent(up)}; without the engine ${percent(down)}`;
    },
  })),
  {
    name: "keys",
    claim:
      "`max_rps` of a key over three gateways: in no second more than it and what buckets hold, engine up, hung and back",
    run: async () => {
      const { up, hung, back } = await shareErrors(3, seconds);
      return `worst second ${up.worst}, ${hung.worst}, ${back.worst}; a second on the average ${
        [up, hung, back].map(({ perSecond }) => perSecond.toFixed(0)).join(", ")
      }`;
    },
  },
];
/** What takes links that can be cut, and was not written yet. */
const LEFT_OUT = ["links between gateways and the engine that are cut", "sentinels that promote another server"];

if (!CAN_RUN) throw new Error("This takes Debian's redis-server: apt-get install redis-server");
const chosen = values.cases === "" ? CASES : CASES.filter(({ name }) => values.cases.split(",").includes(name));
const rows: string[][] = [];
let failed = 0;
for (const { name, claim, run } of chosen) {
  const startMs = performance.now();
  const [figure, holds] = await run().then((text) => [text, "yes"], (error) => [String(error?.message ?? error), "NO"]);
  if (holds === "NO") failed++;
  rows.push([claim, figure!.split("\n")[0]!, holds!]);
  say(`${name}: ${holds}, ${figure} (${((performance.now() - startMs) / 1_000).toFixed(0)} s)`);
}
for (const what of LEFT_OUT) say(`left out: ${what}`);
say(`${chosen.length - failed} passed, ${failed} failed, ${LEFT_OUT.length} skipped`);
if (values.write) {
  const about =
    `Three gateways of two workers, one Redis server, all on one machine of ${navigator.hardwareConcurrency} cores; ` +
    `${rounds} rounds, ${seconds} s; ${new Date().toISOString().slice(0, 10)}. Left out: ${LEFT_OUT.join("; ")}.`;
  await writeSection(
    "docs/cluster.md",
    "cluster",
    `${about}\n\n${table([["what is held", "measured", "holds"], ...rows])}`,
  );
}
Deno.exit(failed === 0 ? 0 : 1);

async function onBed(options: BedOptions, run: (bed: Bed) => Promise<string>): Promise<string> {
  await using stack = new AsyncDisposableStack();
  return await run(await bedOf(stack, options));
}

function purgesOf({ calls, asked, stale }: PurgeFigures): string {
  assert.equal(stale, 0, `${stale} of ${asked} answers were stale`);
  const sorted = calls.toSorted((one, other) => one - other);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(0);
  return `${stale} of ${asked.toLocaleString("en")} stale; ${calls.length} calls, p50 ${at(0.5)} ms, p99 ${
    at(0.99)
  } ms`;
}

function joined(all: readonly PurgeFigures[]): PurgeFigures {
  return {
    calls: all.flatMap(({ calls }) => calls),
    asked: all.reduce((sum, { asked }) => sum + asked, 0),
    stale: all.reduce((sum, { stale }) => sum + stale, 0),
  };
}

function percent(share: number): string {
  return `${share < 0 ? "−" : "+"}${Math.abs(share * 100).toFixed(1)} %`;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
