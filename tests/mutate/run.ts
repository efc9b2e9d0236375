/**
 * `deno task mutate`: changes one operator, constant or statement of a room at a time, in a copy of the repository, and runs
 * the tests that should notice. Each result is a line of JSON in a file, with which the next run goes on.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findMutants, type Mutant } from "./mutant.ts";
import { readResults, reportResults, type Result } from "./results.ts";
import { ScratchTree } from "./scratch_tree.ts";
import { type Stage, STAGES, TestChoice } from "./test_choice.ts";
import { tryMutant } from "./trial.ts";
import { findInvalid } from "./type_check.ts";

/** The rooms that decide what a client gets. */
const ROOMS = [
  ...["policy", "purge", "flights", "memory", "disk"].map((room) => `lib/cache/${room}`),
  ...["wire", "forward", "deliver", "rules", "pool", "health", "upstream_type", "pipeline", "request"].map((room) =>
    `lib/${room}`
  ),
];

/** So many are looked at for one that type-checks. */
const CHECKED_FOR_ONE = 2;

const { values } = parseArgs({
  options: {
    rooms: { type: "string", default: ROOMS.join(",") },
    seed: { type: "string", default: "1" },
    sample: { type: "string", default: "300" },
    until: { type: "string", default: "beyond" },
    results: { type: "string" },
    survivors: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
  },
});
const root = fileURLToPath(new URL("../..", import.meta.url));
const rooms = values.rooms.split(",").map((room) => room.replace(/\/$/, ""));
const depth = STAGES.findIndex((stage) => stage === values.until);
if (depth < 0) throw new Error(`--until is one of ${STAGES.join(", ")}`);
const resultsPath = values.results ?? `${root}dist/mutate-${values.seed}.jsonl`;
const known = await readResults(resultsPath);
const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopped.abort());

const sample = await takeSample();
if (!values.report) await tryAll();
await print(`\nseed ${values.seed}, results in ${resultsPath}\n`);
await print(reportResults(sample.map(({ key }) => known.get(key)).filter((it) => it !== undefined), rooms));

/** The first mutants of the order that the seed makes, without those that do not type-check; room by room. */
async function takeSample(): Promise<Mutant[]> {
  const mutants = await findMutants({ tree: root, rooms, seed: values.seed });
  const size = Number(values.sample);
  const looked = mutants.slice(0, size * CHECKED_FOR_ONE);
  await print(
    `${mutants.length} mutants in ${rooms.length} rooms; ${looked.length} are checked for ${size} of sound types`,
  );
  const unchecked = looked.filter(({ key }) => !known.has(key));
  if (unchecked.length > 0) {
    await using tree = await ScratchTree.copy(root);
    const invalid = await findInvalid(tree, unchecked);
    for (const mutant of unchecked) await keep({ ...mutant, verdict: invalid.has(mutant.key) ? "invalid" : "untried" });
  }
  const taken = looked.filter(({ key }) => known.get(key)?.verdict !== "invalid").slice(0, size);
  return taken.sort((one, other) => rooms.indexOf(one.room) - rooms.indexOf(other.room));
}

async function tryAll(): Promise<void> {
  await using tree = await ScratchTree.copy(root);
  const choice = await TestChoice.read(tree.path);
  const soundness = new Map<string, boolean>();
  for (const [index, mutant] of sample.entries()) {
    const stages = stagesFor(known.get(mutant.key));
    if (stages.length === 0) continue;
    const verdict = await tryMutant(mutant, { tree, choice, soundness, stages, signal: stopped.signal });
    await keep({ ...mutant, ...verdict });
    const { path, line, from, to } = mutant;
    const change = `${path}:${line} ${JSON.stringify(from.slice(0, 60))} -> ${JSON.stringify(to.slice(0, 60))}`;
    await print(
      `${index + 1}/${sample.length} ${verdict.verdict} ${verdict.stage ?? ""} ${verdict.by ?? ""} ${change}`,
    );
  }
}

/** What is left to run: nothing for what was noticed, the deeper stages for a survivor; all of them where survivors alone are tried anew. */
function stagesFor(result: Result | undefined): Stage[] {
  const wanted = STAGES.slice(0, depth + 1);
  if (result?.verdict === "noticed" || (values.survivors && result?.verdict !== "survived")) return [];
  const done = result?.stage === undefined || values.survivors ? 0 : STAGES.indexOf(result.stage) + 1;
  return wanted.slice(done);
}

async function keep(result: Result): Promise<void> {
  known.set(result.key, result);
  await Deno.mkdir(resultsPath.slice(0, resultsPath.lastIndexOf("/") + 1) || ".", { recursive: true });
  await Deno.writeTextFile(resultsPath, `${JSON.stringify(result)}\n`, { append: true });
}

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}
