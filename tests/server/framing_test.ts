import assert from "node:assert/strict";
import { CASE_LIMITS, FRAMING_CASES } from "../wire/framing_cases.ts";
import { integer, seededRandom } from "../seeded_random.ts";
import { expectedOutcome, outcomeAt, PING, type RecordingServer, takenRequest } from "./framing_outcome.ts";
import { readText, serving, textReply } from "./serving.ts";

async function recording(): Promise<RecordingServer & AsyncDisposable> {
  const taken: RecordingServer["taken"] = [];
  const running = await serving(async (arrival) => {
    const request = await takenRequest(arrival, readText);
    if (request.target !== PING) taken.push(request);
    return textReply("taken");
  }, { limits: CASE_LIMITS });
  return { address: running.address, taken, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

Deno.test("the server takes and refuses what the table of cases says", async (test) => {
  await using server = await recording();
  for (const one of FRAMING_CASES) {
    await test.step(`${one.name} (${one.section})`, async () => {
      const { isEnded, ...outcome } = await outcomeAt(server, [one.text]);
      assert.deepEqual(outcome, expectedOutcome(one));
      if (one.refusal !== null) assert.equal(isEnded, true, "the connection goes on behind a refusal");
    });
  }
});

Deno.test("the server takes and refuses the same in pieces", async () => {
  await using server = await recording();
  const random = seededRandom(9112);
  for (const one of FRAMING_CASES) {
    const at = 1 + integer(random, one.text.length - 1);
    const { isEnded: _, ...outcome } = await outcomeAt(server, [one.text.slice(0, at), one.text.slice(at)]);
    assert.deepEqual(outcome, expectedOutcome(one), `${one.name}, split at ${at}`);
  }
});
