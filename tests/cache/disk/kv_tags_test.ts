import assert from "node:assert/strict";
import { createKvTier } from "../../../lib/cache/disk/kv_tier.ts";
import { scanTags } from "../../../lib/cache/disk/kv_tags.ts";
import { sample } from "../stored_sample.ts";

const log = { warn: () => {} };

Deno.test("scanTags() tells the tags of everything on disk, whatever its size, and passes over what it cannot read", async () => {
  using kv = await Deno.openKv(":memory:");
  const tier = createKvTier({ kv, clock: { now: () => 1_010 }, log, limitBytes: 64 << 20 });
  for (let id = 0; id < 250; id++) tier.put(sample(`l\0\0/${id}`, 10, { tags: [`movie:${id}`, "class:details"] }));
  tier.put(sample("l\0\0/large", 200_000, { tags: ["tv:1"] }));
  tier.put(sample("l\0\0/bare", 10));
  await tier.flush();
  await kv.set(["r", new Uint8Array(16)], new Uint8Array([1, 2, 3]));
  await kv.set(["r", new Uint8Array(17)], "text");
  const seen = new Set<string>();
  await scanTags(kv, (tags) => tags.forEach((tag) => seen.add(tag)), new AbortController().signal);
  const movies = Array.from({ length: 250 }, (_, id) => `movie:${id}`);
  assert.deepEqual([...seen].sort(), [...movies, "class:details", "tv:1"].sort());
  await tier.close(1_000);
});

Deno.test("scanTags() ends when it is told to", async () => {
  using kv = await Deno.openKv(":memory:");
  const tier = createKvTier({ kv, clock: { now: () => 1_010 }, log, limitBytes: 64 << 20 });
  for (let id = 0; id < 50; id++) tier.put(sample(`l\0\0/${id}`, 10, { tags: [`movie:${id}`] }));
  await tier.flush();
  const ending = new AbortController();
  let told = 0;
  await scanTags(kv, () => ++told === 10 && ending.abort(), ending.signal);
  assert.equal(told, 10);
  await tier.close(1_000);
});
