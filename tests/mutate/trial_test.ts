import assert from "node:assert/strict";
import { findMutants } from "./mutant.ts";
import { reportResults } from "./results.ts";
import { ScratchTree } from "./scratch_tree.ts";
import { type Stage, STAGES, TestChoice } from "./test_choice.ts";
import { tryMutant } from "./trial.ts";
import { findInvalid } from "./type_check.ts";

const LIMIT = "export const isOver = (bytes: number): boolean => bytes > 10;\n";

/** A repository of two rooms, with tests that know half of what they should. */
const FILES: Readonly<Record<string, string>> = {
  "deno.json": "{}",
  "deno.all.lock": '{ "version": "5" }',
  "lib/size/limit.ts": LIMIT,
  "lib/pipeline/pipeline.ts": 'import { isOver } from "../size/limit.ts";\nexport const handle = () => isOver(11);\n',
  "tests/size/limit_test.ts": `import { isOver } from "../../lib/size/limit.ts";
Deno.test("isOver()", () => {
  if (!isOver(11) || isOver(9)) throw new Error();
});
`,
  "tests/size/other_test.ts": 'import "./nothing.ts";\n',
  "tests/pipeline/_gateway.ts": 'export { handle } from "../../lib/pipeline/pipeline.ts";\n',
  "tests/pipeline/pipeline_test.ts": 'import "./_gateway.ts";\n',
  "tests/system/limits_test.ts": 'import "./_p.ts"; Deno.test("a body over its size limit", () => {});\n',
  "tests/system/other_test.ts": 'import "./_p.ts"; Deno.test("something else", () => {});\n',
};

async function smallTree(): Promise<ScratchTree> {
  const tree = await ScratchTree.empty();
  for (const [path, text] of Object.entries(FILES)) tree.write(path, text);
  return tree;
}

Deno.test("tryMutant() notices what a test notices, lets the rest survive, and puts the file back", async () => {
  await using tree = await smallTree();
  const query = { tree: tree.path, rooms: ["lib/size"], seed: "1" };
  const mutants = await findMutants(query);
  assert.deepEqual(mutants.map(({ from, to, line }) => [from, to, line]).sort(), [["10", "11", 1], [">", ">=", 1]]);
  assert.deepEqual(await findMutants(query), mutants);
  const choice = await TestChoice.read(tree.path);
  const [seen, unseen] = ["10", ">"].map((text) => mutants.find(({ from }) => from === text));
  const verdicts = [];
  const soundness = new Map<string, boolean>();
  for (const mutant of [seen!, { ...seen!, to: "10" }]) {
    verdicts.push(await tryMutant(mutant, { tree, choice, soundness, stages: ["near"] }));
    assert.equal(tree.read("lib/size/limit.ts"), LIMIT);
  }
  assert.deepEqual(verdicts, [
    { verdict: "noticed", stage: "near", by: "tests/size/limit_test.ts" },
    { verdict: "survived", stage: "near" },
  ]);
  const report = reportResults([{ ...seen!, ...verdicts[0]! }, { ...unseen!, ...verdicts[1]! }], ["lib/size"]);
  assert.match(report, /^\| lib\/size \| 2 \| 1 \| 0 \| 0 \| 0 \| 1 \| 50\.0 % \|$/m);
  assert.match(report, /^lib\/size\/limit\.ts:1 ">" -> ">=" \(near, [0-9a-f]{16}\)$/m);
});

Deno.test("TestChoice.testsOf() goes from the tests of the file outwards, to the system tests that name it", async () => {
  await using tree = await smallTree();
  const choice = await TestChoice.read(tree.path);
  const of = (stage: Stage) => choice.testsOf(stage, { path: "lib/size/limit.ts", room: "lib/size" });
  assert.deepEqual(STAGES.map(of), [
    ["tests/size/limit_test.ts"],
    ["tests/size/other_test.ts"],
    ["tests/pipeline/pipeline_test.ts"],
    ["tests/system/limits_test.ts"],
  ]);
});

Deno.test("findInvalid() finds the mutants that do not type-check, and leaves no file behind", async () => {
  await using tree = await smallTree();
  const mutants = await findMutants({ tree: tree.path, rooms: ["lib/size"], seed: "1" });
  const invalid = { ...mutants[0]!, key: "0123456789abcdef", to: "=" };
  assert.deepEqual(await findInvalid(tree, [...mutants, invalid]), new Set([invalid.key]));
  assert.deepEqual([...Deno.readDirSync(`${tree.path}/lib/size`)].map(({ name }) => name), ["limit.ts"]);
});
