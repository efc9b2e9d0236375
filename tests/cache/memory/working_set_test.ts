import assert from "node:assert/strict";
import { createMemoryTier } from "../../../lib/cache/memory/memory_tier.ts";
import { heldBytes } from "../../../lib/cache/stored_response.ts";
import type { StoredResponse } from "../../../lib/cache/stored_response.ts";
import { seededRandom } from "../../seeded_random.ts";
import { sampleResponse } from "../store_suite.ts";
import { lruHits, TRACES } from "./traces.ts";

/** Entries that there is room for. */
const ROOM = 1000;
const REQUESTS = 60_000;

for (const { name, keys, beatsLru } of TRACES) {
  Deno.test(`MemoryTier: hits on a trace of the kind "${name}" are ${beatsLru ? "more than" : "as many as"} a plain LRU has`, () => {
    const trace = keys({ room: ROOM, requests: REQUESTS, random: seededRandom(1) });
    const body = new Uint8Array(10);
    const bytes = heldBytes(sampleResponse(keyOf(0), { body }));
    const memory = createMemoryTier({ limitBytes: ROOM * bytes, maxEntryShare: 1, random: seededRandom(2) });
    const made = new Map<number, StoredResponse>();
    let hits = 0;
    for (const n of trace) {
      if (memory.get(keyOf(n)) !== undefined) {
        hits++;
        continue;
      }
      if (!made.has(n)) made.set(n, sampleResponse(keyOf(n), { body }));
      memory.put(made.get(n)!, 0);
    }
    const lru = lruHits(trace, ROOM);
    assert.ok(hits > lru + (beatsLru ? 0.01 : -0.01) * REQUESTS, `${hits} hits, a plain LRU has ${lru}`);
  });
}

function keyOf(n: number): string {
  return `api\0\0/${String(n).padStart(8, "0")}`;
}
