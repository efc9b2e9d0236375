import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { createKvJanitor } from "../../../lib/cache/disk/kv_janitor.ts";
import { createKvTier } from "../../../lib/cache/disk/kv_tier.ts";
import { prepareKvFile } from "../../../lib/cache/disk/kv_open.ts";
import { crashKey } from "./_crash_entries.ts";
import { HandClock, KeptLog } from "./opened_kv.ts";
import { auditRows } from "./audited_rows.ts";
import { assertSameResponse, sampleResponse } from "../store_suite.ts";
import { seededRandom } from "../../seeded_random.ts";

/** A few rounds in the usual run; `USHER_SOAK=1` asks for a hundred. */
const ROUNDS = Deno.env.get("USHER_SOAK") === "1" ? 100 : 6;
const LIMIT_BYTES = 24 * 1024 * 1024;

/** Starts a writer, lets it write for `aliveMs` and kills it. */
async function killWriter(path: string, seed: number, aliveMs: number): Promise<void> {
  const writer = fileURLToPath(new URL("./_crash_writer.ts", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--unstable-kv", "--allow-all", writer, path, String(seed)],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = child.stdout.getReader();
  assert.ok((await output.read()).value, "the writer did not start");
  await new Promise((resolve) => setTimeout(resolve, aliveMs));
  child.kill("SIGKILL");
  await child.status;
  await output.cancel();
}

/** Every entry found is whole and its key's own; answers how many there were. */
async function verifyAll(path: string, clock: HandClock): Promise<number> {
  const kv = await Deno.openKv(path);
  const log = new KeptLog();
  const tier = createKvTier({ kv, clock, log, limitBytes: LIMIT_BYTES, logReserveBytes: 0 });
  let found = 0;
  for (let n = 0; n < 60; n++) {
    const response = await tier.get(crashKey(n));
    if (response === undefined) continue;
    found++;
    const version = Number(response.fields.find(([name]) => name === "etag")?.[1].replaceAll('"', ""));
    const { requestTimeMs, responseTimeMs } = response;
    const bodyLength = response.body.byteLength;
    assertSameResponse(response, sampleResponse(crashKey(n), { version, bodyLength, requestTimeMs, responseTimeMs }));
  }
  assert.equal(tier.stats().corrupt, 0, "an entry is torn");
  await tier.close(5000);
  assert.deepEqual(log.lines, []);
  kv.close();
  return found;
}

/** What the killed writers left in transit is collected, and the sums are those of the rows. */
async function tidyAndAudit(path: string, clock: HandClock): Promise<number> {
  const kv = await Deno.openKv(path);
  const janitor = createKvJanitor({ kv, path, clock, log: new KeptLog(), limitBytes: LIMIT_BYTES });
  let collected = 0;
  for (let step = 0; step < 5; step++) collected += (await janitor.step()).collected;
  janitor.close();
  await auditRows(kv);
  kv.close();
  return collected;
}

Deno.test(`KvTier loses nothing but what was in writing when its process is killed, ${ROUNDS} times`, async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/cache.kv`;
  const random = seededRandom(20260102);
  const log = new KeptLog();
  let found = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await killWriter(path, round, 20 + random() * 400);
      const prepared = await prepareKvFile(path, { clock: new HandClock(), log });
      assert.equal(prepared.problem, null);
      // Ten minutes on, the janitor takes what is in transit for left behind.
      const clock = new HandClock(Date.now() + 11 * 60_000);
      found += await verifyAll(path, clock);
      await tidyAndAudit(path, clock);
    }
    assert.ok(found > ROUNDS * 5, `only ${found} entries were found in all`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
