/** What one call of a store costs: `deno bench --allow-read --allow-write --unstable-kv tests/bench/store_bench.ts`. */
import { systemClock } from "../../lib/clock.ts";
import { createKvTier } from "../../lib/cache/disk/kv_tier.ts";
import { createMemoryTier } from "../../lib/cache/memory/memory_tier.ts";
import { createTieredStore } from "../../lib/cache/tiered_store.ts";
import { sampleResponse } from "../cache/store_suite.ts";

const MIB = 1024 * 1024;
const nowMs = Date.now();
const times = { requestTimeMs: nowMs, responseTimeMs: nowMs };

const directory = await Deno.makeTempDir();
const kv = await Deno.openKv(`${directory}/cache.kv`);
globalThis.addEventListener("unload", () => {
  kv.close();
  Deno.removeSync(directory, { recursive: true });
});

const memory = createMemoryTier({ limitBytes: 64 * MIB });
const disk = createKvTier({ kv, clock: systemClock, log: { warn: () => {} }, limitBytes: 512 * MIB });
const store = createTieredStore({ memory, disk });
const keys = Array.from({ length: 10_000 }, (_, n) => `listener${n % 8}\0\0/3/movie/${n}?language=de-DE`);
for (const key of keys) memory.put(sampleResponse(key, times), nowMs);
const [small, large] = [`api\0\0/small`, `api\0\0/large`];
disk.put(sampleResponse(small, { ...times, bodyLength: 1000 }));
disk.put(sampleResponse(large, { ...times, bodyLength: 100_000 }));
await disk.flush();
const replacement = sampleResponse(keys[0]!, times);
const fresh = createMemoryTier({ limitBytes: 4 * MIB });
const newcomers = keys.map((key) => sampleResponse(key, { ...times, bodyLength: 2000 }));
let turn = 0;

Deno.bench("MemoryTier.get(), one key again", { group: "memory" }, () => void memory.get(keys[0]!));
Deno.bench("MemoryTier.get(), 10,000 keys of 8 listeners", { group: "memory" }, () => {
  memory.get(keys[turn++ % keys.length]!);
});
Deno.bench("TieredStore.get() from memory", { group: "memory" }, () => void store.get(keys[turn++ % keys.length]!));
Deno.bench("MemoryTier.put(), replacing", { group: "memory" }, () => void memory.put(replacement, nowMs));
Deno.bench("MemoryTier.put(), evicting", { group: "memory" }, () => {
  fresh.put(newcomers[turn++ % newcomers.length]!, nowMs);
});

Deno.bench("KvTier.get() of 1 KB", { group: "disk" }, async () => void await disk.get(small));
Deno.bench("KvTier.get() of 100 KB", { group: "disk" }, async () => void await disk.get(large));
Deno.bench("KvTier.get() of nothing", { group: "disk" }, async () => void await disk.get("api\0\0/none"));
Deno.bench("KvTier.put() of 1 KB, one commit each", { group: "disk" }, async () => {
  disk.put(sampleResponse(`api\0\0/${turn++}`, { ...times, bodyLength: 1000 }));
  await disk.flush();
});
Deno.bench("KvTier.put() of 100 KB, one commit each", { group: "disk" }, async () => {
  disk.put(sampleResponse(`api\0\0/large/${turn++ % 100}`, { ...times, bodyLength: 100_000 }));
  await disk.flush();
});
