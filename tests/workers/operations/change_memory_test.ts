import assert from "node:assert/strict";
import { KvStateStore } from "../../../lib/state/kv_state_store.ts";
import { ChangeMemory } from "../../../lib/workers/operations/change_memory.ts";

Deno.test("ChangeMemory keeps a position for each pool and kind, however many ids it has", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new ChangeMemory(new KvStateStore(kv));
  assert.equal(await memory.load("p", "movie"), null);
  const seen = new Set(Array.from({ length: 40_000 }, (_, index) => index * 7 + 1).concat(4_294_967_295));
  await memory.save("p", "movie", { day: "2026-01-31", page: 12, seen });
  await memory.save("p", "tv", { day: "2026-01-30", page: 1, seen: new Set([5]) });
  const again = new ChangeMemory(new KvStateStore(kv));
  assert.deepEqual(await again.load("p", "movie"), { day: "2026-01-31", page: 12, seen });
  assert.deepEqual(await again.load("p", "tv"), { day: "2026-01-30", page: 1, seen: new Set([5]) });
  assert.equal(await again.load("other", "movie"), null);
});

Deno.test("ChangeMemory keeps one value for each position, and forgets the ids of days that are over", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new ChangeMemory(new KvStateStore(kv));
  for (const day of ["2026-01-30", "2026-01-31", "2026-02-01"]) {
    await memory.save("p", "movie", { day, page: 1, seen: new Set(Array.from({ length: 20_000 }, (_, id) => id + 1)) });
  }
  await memory.save("p", "movie", { day: "2026-02-02", page: 1, seen: new Set() });
  const rows = (await Array.fromAsync(kv.list({ prefix: [] }))).map(({ key }) => key);
  assert.deepEqual(rows, [["changes", "p", "movie"]]);
  assert.deepEqual(await memory.load("p", "movie"), { day: "2026-02-02", page: 1, seen: new Set() });
});

Deno.test("ChangeMemory goes on from a position of the layout before, and leaves nothing of it", async () => {
  using kv = await Deno.openKv(":memory:");
  await kv.set(["changes", "p", "movie", "at"], { day: "2026-01-31", page: 4, chunks: 2 });
  const seen = [["seen", "2026-01-31", 0, [1, 2]], ["seen", "2026-01-31", 1, [70_000]]] as const;
  for (const [name, day, n, ids] of seen) {
    await kv.set(["changes", "p", "movie", name, day, n], new Uint8Array(new Uint32Array(ids).buffer));
  }
  const memory = new ChangeMemory(new KvStateStore(kv));
  const position = { day: "2026-01-31", page: 4, seen: new Set([1, 2, 70_000]) };
  assert.deepEqual(await memory.load("p", "movie"), position);
  await memory.save("p", "movie", position);
  assert.deepEqual(await memory.load("p", "movie"), position);
  assert.equal((await Array.fromAsync(kv.list({ prefix: ["changes"] }))).length, 1);
});

Deno.test("ChangeMemory takes what is not as it was written for nothing", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new ChangeMemory(new KvStateStore(kv));
  for (const value of [{ day: 7 }, { day: "2026-01-31", page: 2, seen: [1] }, "nonsense"]) {
    await kv.set(["changes", "p", "movie"], value);
    assert.equal(await memory.load("p", "movie"), null);
  }
});

Deno.test("ChangeMemory keeps nothing without KV", async () => {
  const memory = new ChangeMemory(null);
  await memory.save("p", "movie", { day: "2026-01-31", page: 2, seen: new Set([1]) });
  assert.equal(await memory.load("p", "movie"), null);
});
