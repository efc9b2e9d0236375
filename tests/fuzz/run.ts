/**
 * Tries made inputs on everything that reads text from outside: `deno task fuzz [--seconds N] [--seed S] [--target NAME]
 * [--write]`. A failure, or an input that takes too long, ends it with status 1 and is printed as a line for the corpus. With `--write` the
 * counts go into docs/reliability.md.
 */
import { parseArgs } from "node:util";
import { writeSection } from "../page_section.ts";
import { fuzzSection } from "./report.ts";
import { FUZZ_TARGETS } from "./targets.ts";

/** One input that takes longer hangs. */
const HANG_MS = 10_000;
/** Characters of an input that are shared with the watch at most. */
const SHARED_CHARACTERS = 20_000;

/** What a worker is told. */
export interface FuzzOrder {
  readonly names: readonly string[];
  readonly seed: number;
  readonly untilMs: number;
  /** Length of the input under way and how many were tried, then its characters; so that one that hangs can be shown. */
  readonly shared: SharedArrayBuffer;
}

/** What a worker says at its end, or of the first failure. */
export interface FuzzReport {
  readonly tried: Readonly<Record<string, number>>;
  readonly failure: string | null;
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string" },
    target: { type: "string", multiple: true },
    write: { type: "boolean", default: false },
  },
});
const known = FUZZ_TARGETS.map(({ name }) => name);
const names = values.target ?? known;
const unknown = names.find((name) => !known.includes(name));
const seconds = Number(values.seconds);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (unknown !== undefined || !(seconds > 0) || !Number.isSafeInteger(seed)) {
  say(`Cannot run that: --seconds above 0, --seed a whole number, --target one of ${known.join(", ")}`);
  Deno.exit(2);
}

say(`Seed ${seed}, ${seconds} s, ${names.length} targets`);
const shared = new SharedArrayBuffer(8 + 2 * SHARED_CHARACTERS);
const worker = new Worker(new URL("fuzz_worker.ts", import.meta.url), { type: "module" });
const done = new Promise<FuzzReport>((resolve) => worker.onmessage = ({ data }) => resolve(data));
worker.postMessage({ names, seed, untilMs: Date.now() + seconds * 1000, shared } satisfies FuzzOrder);

const [length, turn] = [new Int32Array(shared, 0, 1), new Int32Array(shared, 4, 1)];
let seen = -1;
const watch = setInterval(() => {
  const now = Atomics.load(turn, 0);
  if (now > 0 && now === seen) {
    const characters = new Uint16Array(shared, 8, Atomics.load(length, 0));
    say(`An input hangs:\n${JSON.stringify(String.fromCharCode(...characters))}`);
    Deno.exit(1);
  }
  seen = now;
}, HANG_MS);

const { tried, failure } = await done;
clearInterval(watch);
worker.terminate();
for (const [name, count] of Object.entries(tried)) say(`${name.padEnd(24)}${String(count).padStart(12)} inputs`);
if (failure !== null) say(failure);
if (values.write) {
  await writeSection("docs/reliability.md", "inputs", await fuzzSection(tried, { seconds, seed, failure }));
}
Deno.exitCode = failure === null ? 0 : 1;

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
