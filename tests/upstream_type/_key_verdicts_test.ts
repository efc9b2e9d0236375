import assert from "node:assert/strict";
import { KeyVerdicts } from "../../lib/upstream_type/_key_verdicts.ts";
import { seededRandom } from "../seeded_random.ts";

Deno.test("KeyVerdicts never blames a good key, nor a host that takes what is good, in whatever order answers come", () => {
  const random = seededRandom(17);
  const pick = (count: number) => Math.floor(random() * count);
  for (let run = 0; run < 200; run++) {
    const keys = 1 + pick(3);
    const hosts = 2 + pick(3);
    // At least one host takes keys, and some refuse every key.
    const refuses = Array.from({ length: hosts }, (_, host) => host > 0 && random() < 0.4);
    const isBad = Array.from({ length: keys }, (_, key) => key > 0 && random() < 0.4);
    const verdicts = new KeyVerdicts(keys);
    for (let step = 0; step < 60; step++) {
      const key = pick(keys);
      const host = pick(hosts);
      const nowMs = 1_000_000 + step * 1_000;
      if (!refuses[host] && !isBad[key]) {
        verdicts.accepted(key, `h${host}`, nowMs);
        continue;
      }
      const culprit = verdicts.refused(key, `h${host}`, { nowMs, mayAskOther: true });
      if (!isBad[key]) assert.notEqual(culprit, "key", `run ${run}, step ${step}`);
      if (!refuses[host]) assert.notEqual(culprit, "host", `run ${run}, step ${step}`);
    }
  }
});

Deno.test("KeyVerdicts.refusals() counts the hosts that have refused a key last, and forgets them", () => {
  const verdicts = new KeyVerdicts(2);
  const about = { nowMs: 1_000_000, mayAskOther: true };
  for (const host of ["a", "b", "b"]) verdicts.refused(0, host, about);
  assert.deepEqual([verdicts.refusals(0, 1_000_000), verdicts.refusals(1, 1_000_000)], [2, 0]);
  verdicts.accepted(0, "b", 1_100_000);
  assert.equal(verdicts.refusals(0, 1_100_000), 1);
  assert.equal(verdicts.refusals(0, 1_300_001), 0);
});
