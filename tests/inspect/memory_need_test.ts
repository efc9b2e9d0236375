import assert from "node:assert/strict";
import { memoryNeed } from "../../lib/inspect/memory_need.ts";

const MIB = 1024 * 1024;
const settings = (workers: number, diskBytes: number) => ({
  server: { workers },
  cache: { memoryBytes: 64 * MIB, fillMemoryBytes: 64 * MIB, diskBytes },
});

/** What `deno task footprint` measured, in MiB: with a full cache of 64 MiB, at rest. */
const MEASURED = [[1, 305], [2, 330], [4, 449]] as const;

Deno.test("memoryNeed() agrees with what was measured within 15 %", () => {
  for (const [workers, mib] of MEASURED) {
    const { restBytes } = memoryNeed(settings(workers, 1));
    assert.ok(Math.abs(restBytes / MIB / mib - 1) < 0.15, `${workers} workers: ${restBytes / MIB} for ${mib}`);
  }
});

Deno.test("memoryNeed() counts what comes in and what waits for the disk under load alone, in each worker", () => {
  const [one, two] = [memoryNeed(settings(1, 1)), memoryNeed(settings(2, 1))];
  const loadBytes = one.mostBytes - one.restBytes;
  assert.equal(two.mostBytes - two.restBytes, 2 * loadBytes);
  assert.equal(loadBytes - (memoryNeed(settings(1, 0)).mostBytes - one.restBytes), 32 * MIB);
  assert.match(
    one.text,
    /^some 297MiB with a full cache, and 493MiB under load, for 1 worker \(64MiB cache, and 64MiB /,
  );
});
