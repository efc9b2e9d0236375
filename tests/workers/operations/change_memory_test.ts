import assert from "node:assert/strict";
import { ChangeMemory } from "../../../lib/workers/operations/change_memory.ts";

Deno.test("ChangeMemory keeps a position for each pool and kind, however many ids it has", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new ChangeMemory(kv);
  assert.equal(await memory.load("p", "movie"), null);
  const seen = new Set(Array.from({ length: 40_000 }, (_, index) => index * 7 + 1).concat(4_294_967_295));
  await memory.save("p", "movie", { day: "2026-01-31", page: 12, seen });
  await memory.save("p", "tv", { day: "2026-01-30", page: 1, seen: new Set([5]) });
  const again = new ChangeMemory(kv);
  assert.deepEqual(await again.load("p", "movie"), { day: "2026-01-31", page: 12, seen });
  assert.deepEqual(await again.load("p", "tv"), { day: "2026-01-30", page: 1, seen: new Set([5]) });
  assert.equal(await again.load("other", "movie"), null);
});

Deno.test("ChangeMemory forgets the ids of days that are over", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new ChangeMemory(kv);
  for (const day of ["2026-01-30", "2026-01-31", "2026-02-01"]) {
    await memory.save("p", "movie", { day, page: 1, seen: new Set(Array.from({ length: 20_000 }, (_, id) => id + 1)) });
  }
  await memory.save("p", "movie", { day: "2026-02-02", page: 1, seen: new Set() });
  const rows = [];
  for await (const { key } of kv.list({ prefix: ["changes"] })) rows.push(key);
  assert.deepEqual(rows, [["changes", "p", "movie", "at"]]);
  assert.deepEqual(await memory.load("p", "movie"), { day: "2026-02-02", page: 1, seen: new Set() });
});

Deno.test("ChangeMemory takes what is not as it was written for nothing", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new ChangeMemory(kv);
  await memory.save("p", "movie", { day: "2026-01-31", page: 2, seen: new Set([1, 2]) });
  await kv.set(["changes", "p", "movie", "seen", "2026-01-31", 0], new Uint8Array(3));
  assert.deepEqual(await memory.load("p", "movie"), { day: "2026-01-31", page: 2, seen: new Set() });
  await kv.set(["changes", "p", "movie", "at"], { day: 7 });
  assert.equal(await memory.load("p", "movie"), null);
});

Deno.test("ChangeMemory keeps nothing without KV", async () => {
  const memory = new ChangeMemory(null);
  await memory.save("p", "movie", { day: "2026-01-31", page: 2, seen: new Set([1]) });
  assert.equal(await memory.load("p", "movie"), null);
});
