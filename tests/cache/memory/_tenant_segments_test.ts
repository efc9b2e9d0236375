import assert from "node:assert/strict";
import { MemoryEntry, TenantSegments } from "../../../lib/cache/memory/_tenant_segments.ts";
import { sampleResponse } from "../store_suite.ts";

let uses = 0;

function entry(key: string, bytes = 1000): MemoryEntry {
  return new MemoryEntry(sampleResponse(key), { bytes, use: ++uses, nowMs: 0 });
}

function filled(count: number): TenantSegments {
  const segments = new TenantSegments("a");
  for (let n = 0; n < count; n++) segments.add(entry(`${n}`), false);
  return segments;
}

Deno.test("TenantSegments.evict() takes what was never used again first, oldest first", () => {
  const segments = filled(4);
  segments.get("0");
  assert.deepEqual([1, 2, 3, 4].map(() => segments.evict()?.key), ["1", "2", "3", "0"]);
  assert.equal(segments.evict(), undefined);
});

Deno.test("TenantSegments.evict() takes from the protected segment what is above its share", () => {
  const segments = filled(10);
  for (let n = 0; n < 10; n++) segments.get(`${n}`);
  segments.get("0");
  const evicted = [1, 2, 3].map(() => segments.evict()?.key);
  assert.deepEqual(evicted, ["1", "2", "3"]);
  assert.ok(segments.peek("0"));
});

Deno.test("TenantSegments keeps the sum of what it holds", () => {
  const segments = filled(3);
  segments.get("1");
  assert.deepEqual([segments.bytes, segments.entries], [3000, 3]);
  assert.equal(segments.remove("1")?.isProtected, true);
  assert.equal(segments.remove("2")?.isProtected, false);
  assert.equal(segments.remove("2"), undefined);
  assert.deepEqual([segments.bytes, segments.entries], [1000, 1]);
  segments.add(entry("4", 500), true);
  assert.deepEqual([...segments.values()].map(({ key }) => key).sort(), ["0", "4"]);
  assert.equal(segments.bytes, 1500);
});

Deno.test("TenantSegments.oldestUse() tells of the entry that goes next", () => {
  const segments = filled(2);
  const oldest = segments.peek("0")!.usedAt;
  assert.equal(segments.oldestUse(), oldest);
  segments.get("0");
  assert.equal(segments.oldestUse(), oldest + 1);
  segments.get("1");
  assert.equal(segments.oldestUse(), oldest, "both are protected, and the first for longer");
  assert.equal(new TenantSegments("b").oldestUse(), Infinity);
});
