import assert from "node:assert/strict";
import { CASE_LIMITS, FRAMING_CASES } from "./framing_cases.ts";
import { latin1, outcomeOf } from "./read_requests.ts";
import { integer, randomPieces, seededRandom } from "../seeded_random.ts";

for (const { name, section, text, taken, refusal } of FRAMING_CASES) {
  Deno.test(`${name} (${section})`, () => {
    assert.deepEqual(outcomeOf([latin1(text)], CASE_LIMITS), { taken, refusal });
  });
}

Deno.test("the names of the cases are unique", () => {
  const names = FRAMING_CASES.map(({ name }) => name);
  assert.deepEqual(names.filter((name, at) => names.indexOf(name) !== at), []);
});

Deno.test("every case gives the same however it is split in two", () => {
  for (const { name, text, taken, refusal } of FRAMING_CASES) {
    const bytes = latin1(text);
    // Long ones repeat themselves: every place in the first and last part is enough.
    for (let at = 1; at < bytes.length; at++) {
      if (at > 400 && at < bytes.length - 200 && at % 61 !== 0) continue;
      const outcome = outcomeOf([bytes.slice(0, at), bytes.slice(at)], CASE_LIMITS);
      assert.deepEqual(outcome, { taken, refusal }, `${name}, split at ${at}`);
    }
  }
});

Deno.test("every case gives the same byte by byte", () => {
  for (const { name, text, taken, refusal } of FRAMING_CASES) {
    const pieces = Array.from(latin1(text), (byte) => Uint8Array.of(byte));
    assert.deepEqual(outcomeOf(pieces, CASE_LIMITS), { taken, refusal }, name);
  }
});

Deno.test("every case gives the same in random pieces, behind other requests", () => {
  const random = seededRandom(9112);
  const complete = FRAMING_CASES.filter(({ taken, refusal, section }) =>
    taken.length > 0 && refusal === null && section !== "RFC 9112 §2.2"
  );
  for (let round = 0; round < 600; round++) {
    const before = Array.from({ length: integer(random, 4) }, () => complete[integer(random, complete.length)]!);
    const last = FRAMING_CASES[integer(random, FRAMING_CASES.length)]!;
    const pieces = randomPieces(random, latin1([...before, last].map(({ text }) => text).join("")));
    const taken = [...before, last].flatMap((one) => one.taken);
    const names = [...before, last].map(({ name }) => name).join(" | ");
    assert.deepEqual(outcomeOf(pieces, CASE_LIMITS), { taken, refusal: last.refusal }, `round ${round}: ${names}`);
  }
});
