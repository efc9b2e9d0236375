import assert from "node:assert/strict";
import { LEASE_BYTES, LeaseTable, newLeaseMemory, TAG_FILTER_AT } from "../../../lib/cache/flights/lease_table.ts";
import { InvalidationTable } from "../../../lib/cache/flights/invalidation_table.ts";
import { TAG_FILTER_BYTES, TagFilter } from "../../../lib/cache/purge/tag_filter.ts";

Deno.test("TagFilter forgets no tag, in any worker", () => {
  const memory = newLeaseMemory();
  const [one, other] = [new TagFilter(memory, TAG_FILTER_AT), new TagFilter(memory, TAG_FILTER_AT)];
  const tags = Array.from({ length: 20_000 }, (_, id) => `movie:${id}`);
  assert.equal(other.mayHold("movie:1"), false);
  for (let at = 0; at < tags.length; at += 4) one.add(tags.slice(at, at + 4));
  assert.ok(tags.every((tag) => other.mayHold(tag)));
});

Deno.test("TagFilter says no to nearly all that was never stored", () => {
  const filter = new TagFilter(new SharedArrayBuffer(TAG_FILTER_BYTES), 0);
  for (let id = 0; id < 50_000; id++) filter.add([`movie:${id}`, `tv:${id}`]);
  let mistaken = 0;
  for (let id = 50_000; id < 150_000; id++) if (filter.mayHold(`movie:${id}`)) mistaken++;
  assert.ok(mistaken < 2_000, `${mistaken} of 100,000`);
  assert.equal(filter.mayHold(""), false);
});

Deno.test("TagFilter leaves the tables before it in shared memory alone", () => {
  const memory = newLeaseMemory();
  const filter = new TagFilter(memory, TAG_FILTER_AT);
  for (let id = 0; id < 10_000; id++) filter.add([`person:${id}`]);
  assert.equal(new InvalidationTable(memory, LEASE_BYTES).since("any", 0), false);
  assert.equal(new LeaseTable(memory, 0).acquire("any").kind, "held");
});
