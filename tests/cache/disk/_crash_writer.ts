/** Writes without end into the KV file named by its argument, until it is killed. Run by `kv_crash_test.ts`. */
import { systemClock } from "../../../lib/clock.ts";
import { beginKvFile } from "../../../lib/cache/disk/kv_inspect.ts";
import { createKvTier } from "../../../lib/cache/disk/kv_tier.ts";
import { CRASH_LENGTHS, crashKey } from "./_crash_entries.ts";
import { sampleResponse } from "../store_suite.ts";
import { seededRandom } from "../../seeded_random.ts";

const [path = "", seed = "1"] = Deno.args;
const random = seededRandom(Number(seed));
beginKvFile(path);
const kv = await Deno.openKv(path);
const tier = createKvTier({
  kv,
  clock: systemClock,
  log: { warn: () => {} },
  limitBytes: 24 * 1024 * 1024,
  logReserveBytes: 0,
});
const nowMs = Date.now();
await Deno.stdout.write(new TextEncoder().encode("writing\n"));
for (let version = 1;; version++) {
  const key = crashKey(Math.floor(random() * 60));
  const dice = random();
  const bodyLength = CRASH_LENGTHS[Math.floor(random() * CRASH_LENGTHS.length)]!;
  if (dice < 0.1) tier.delete(key);
  else tier.put(sampleResponse(key, { version, bodyLength, requestTimeMs: nowMs, responseTimeMs: nowMs }));
  if (version % 5 === 0) await tier.flush();
}
