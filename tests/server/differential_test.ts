import assert from "node:assert/strict";
import { FRAMING_CASES, type FramingCase } from "../wire/framing_cases.ts";
import { DIFFERENCES } from "./differences.ts";
import { outcomeAt, type RecordingServer, type ServerOutcome } from "./framing_outcome.ts";
import { denoServer, nodeServer } from "./reference_servers.ts";

/** What a server did, in a word or two: `takes`, `refuses 400`, `takes 2`, `ends` (without a word), `waits` (for more). */
function summary({ taken, statuses, isEnded }: ServerOutcome, one: FramingCase): string {
  const refusal = statuses.find((status) => status >= 400);
  const parts = [
    ...(taken.length > 0 ? [taken.length === 1 ? "takes" : `takes ${taken.length}`] : []),
    ...(taken.some(({ body }, at) => body !== one.taken[at]?.body && one.taken[at] !== undefined) ? ["otherwise"] : []),
    ...(refusal === undefined ? [] : [`refuses ${refusal}`]),
  ];
  return parts.length > 0 ? parts.join(", ") : isEnded ? "ends" : "waits";
}

function ours(one: FramingCase): string {
  return summary({ taken: one.taken, statuses: one.refusal === null ? [] : [one.refusal], isEnded: false }, one);
}

async function differences(server: RecordingServer): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const one of FRAMING_CASES) {
    const theirs = summary(await outcomeAt(server, [one.text]), one);
    if (theirs !== ours(one)) found.set(one.name, theirs);
  }
  return found;
}

/** What is listed for one of the servers. */
function listed(server: "deno" | "node"): Map<string, string> {
  return new Map(DIFFERENCES.filter((one) => one[server] !== "=").map((one) => [one.name, one[server]]));
}

Deno.test("every difference that is listed has the section of its case", () => {
  const sections = new Map(FRAMING_CASES.map(({ name, section }) => [name, section]));
  for (const { name, section } of DIFFERENCES) assert.equal(section, sections.get(name), name);
});

Deno.test("against the runtime's own server there are the differences that are listed, and no other", async () => {
  await using server = denoServer();
  assert.deepEqual(await differences(server), listed("deno"));
});

Deno.test("against Node's server there are the differences that are listed, and no other", async () => {
  await using server = await nodeServer();
  assert.deepEqual(await differences(server), listed("node"));
});
