import assert from "node:assert/strict";
import { createKvTier } from "../../../lib/cache/disk/kv_tier.ts";
import { newLeaseMemory, TAG_FILTER_AT } from "../../../lib/cache/flights/lease_table.ts";
import { TagFilter } from "../../../lib/cache/purge/tag_filter.ts";
import { createLogger } from "../../../lib/logging/logger.ts";
import { KnownTags } from "../../../lib/workers/operations/known_tags.ts";
import { sample } from "../../cache/stored_sample.ts";

const silent = createLogger({ level: "error", format: "json", sink: () => {}, now: () => 0 });

Deno.test("KnownTags knows what workers note, and what is on disk from before", async () => {
  using kv = await Deno.openKv(":memory:");
  const tier = createKvTier({ kv, clock: { now: () => 1_010 }, log: { warn: () => {} }, limitBytes: 64 << 20 });
  tier.put(sample("l\0\0/3/movie/1", 10, { tags: ["movie:1"] }));
  await tier.flush();
  await tier.close(1_000);
  const memory = newLeaseMemory();
  const known = new KnownTags({ kv, logger: silent, memory });
  assert.equal(known.mayHold("movie:1"), false);
  await Promise.all([known.whenKnown(), known.whenKnown()]);
  assert.equal(known.mayHold("movie:1"), true);
  assert.equal(known.mayHold("movie:2"), false);
  new TagFilter(memory, TAG_FILTER_AT).add(["movie:2"]);
  assert.equal(known.mayHold("movie:2"), true);
  known.close();
});

Deno.test("KnownTags takes anything for stored where the disk cannot be read", async () => {
  const kv = await Deno.openKv(":memory:");
  kv.close();
  const lines: string[] = [];
  const logger = createLogger({ level: "warn", format: "json", sink: (line) => void lines.push(line), now: () => 0 });
  const known = new KnownTags({ kv, logger, memory: newLeaseMemory() });
  await known.whenKnown();
  assert.equal(known.mayHold("movie:1"), true);
  assert.match(lines.join(), /every change is purged/);
  const without = new KnownTags({ kv: null, logger, memory: newLeaseMemory() });
  await without.whenKnown();
  assert.equal(without.mayHold("movie:1"), false);
});
