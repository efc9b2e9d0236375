import assert from "node:assert/strict";
import type { Config } from "../../../lib/config/config.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { Departure } from "../../../lib/workers/supervisor/departure.ts";

/** A departure with this delay, and what was done, in order. */
function departureOf(shutdownDelayMs: number) {
  const done: string[] = [];
  const departure = new Departure({
    fleet: { windDown: () => void done.push("wind down"), leave: () => Promise.resolve(void done.push("leave")) },
    config: () => ({ server: { shutdownDelayMs } }) as Config,
    logger: createLogger({ level: "error", format: "text", sink: () => {}, now: () => 0 }),
  });
  return { done, departure, release: () => Promise.resolve(void done.push("release")) };
}

const never = new AbortController().signal;

Deno.test("Departure hands over while it delays the end, which ends the delay", async () => {
  const { departure, done, release } = departureOf(3_600_000);
  const delay = departure.delay(never).then(() => done.push("delayed"));
  assert.equal(await departure.handOver("a", release), true);
  await delay;
  assert.deepEqual(done, ["wind down", "leave", "release", "delayed"]);
  assert.equal(await departure.handOver("b", release), false);
  assert.equal(done.length, 4);
});

Deno.test("Departure hands over once, then delays nothing; not at all when the end has begun", async () => {
  const one = departureOf(3_600_000);
  const [first, second] = [one.departure.handOver("a", one.release), one.departure.handOver("b", one.release)];
  assert.deepEqual([await first, await second], [true, false]);
  await one.departure.delay(never);
  assert.deepEqual(one.done, ["wind down", "leave", "release"]);
  const other = departureOf(1);
  await other.departure.delay(never);
  assert.equal(await other.departure.handOver("a", other.release), false);
  assert.deepEqual(other.done, ["wind down"]);
});
