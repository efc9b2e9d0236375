import assert from "node:assert/strict";
import { corpusOf, inputOf, toldFailure } from "./fuzz_target.ts";
import { FUZZ_TARGETS } from "./targets.ts";
import { seededRandom } from "../seeded_random.ts";

/** The inputs of `deno task fuzz` begin with these, too. */
const SEED = 1;

for (const target of FUZZ_TARGETS) {
  Deno.test(`fuzz: ${target.name} holds for its corpus and ${target.shortRuns} made inputs`, async () => {
    const kept = corpusOf(target).map((text) => ({ text, random: seededRandom(SEED) }));
    for (let turn = 0; turn < kept.length + target.shortRuns; turn++) {
      const { text, random } = kept[turn] ?? inputOf(target, SEED, turn - kept.length);
      try {
        await target.check(text, random);
      } catch (error) {
        throw toldFailure(target, text, error);
      }
    }
  });
}

Deno.test("every corpus is one of a target", () => {
  const files = [...Deno.readDirSync(new URL("corpus/", import.meta.url))].map(({ name }) => name);
  assert.deepEqual(files.sort(), FUZZ_TARGETS.map(({ name }) => `${name}.txt`).sort());
});
