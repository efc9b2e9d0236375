import assert from "node:assert/strict";
import { createLogger } from "../../lib/logging/logger.ts";
import { Repeats } from "../../lib/logging/repeats.ts";

function folding() {
  const lines: Record<string, unknown>[] = [];
  const due: (() => void)[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const logger = createLogger({ level: "info", format: "json", sink, now: () => 0 });
  const repeats = new Repeats({ logger, later: (call) => void due.push(call) });
  return {
    repeats,
    /** What was written since the last call, `upstream id more`. */
    written: () => lines.splice(0).map(({ upstream, id, more = "" }) => `${upstream} ${id} ${more}`.trim()),
    /** Ten seconds pass. */
    pass: () => due.splice(0).forEach((call) => call()),
    timers: () => due.length,
  };
}

Deno.test("Repeats writes the first of a kind at once, and the rest of ten seconds as one line with their number", () => {
  const { repeats, written, pass, timers } = folding();
  const fail = (upstream: string, reason: string, id: number) =>
    repeats.warn("upstream", "Try failed", `${upstream} ${reason}`, { upstream, id });
  fail("a", "connect", 1);
  assert.deepEqual(written(), ["a 1"]);
  for (let id = 2; id <= 5_000; id++) fail("a", "connect", id);
  fail("a", "tls", 1);
  fail("b", "connect", 7);
  assert.deepEqual(written(), ["a 1", "b 7"]);
  pass();
  assert.deepEqual(written(), ["a 5000 4999"]);
  fail("a", "connect", 6_000);
  fail("b", "connect", 8);
  assert.deepEqual(written(), ["b 8"]);
  pass();
  assert.deepEqual(written(), ["a 6000 1"]);
  pass();
  assert.deepEqual([written(), timers()], [[], 0]);
  fail("a", "connect", 6_001);
  assert.deepEqual(written(), ["a 6001"]);
});

Deno.test("Repeats keeps a bounded number of kinds in mind, and folds the others by message", () => {
  const { repeats, written, pass, timers } = folding();
  for (let id = 0; id < 2_000; id++) repeats.warn("upstream", "Try failed", `reason ${id}`, { upstream: "a", id });
  assert.equal(written().length, 501);
  assert.equal(timers(), 501);
  pass();
  assert.deepEqual(written(), ["a 1999 1499"]);
});
