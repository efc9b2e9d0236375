import assert from "node:assert/strict";
import { type KeptPrewarm, PrewarmMemory } from "../../../lib/workers/operations/prewarm_memory.ts";

function kept(listener: string, count: number, done = 0): KeptPrewarm {
  const targets = Array.from({ length: count }, (_, n) => `/${"x".repeat(n % 300)}/${n}`);
  return { listener, targets, done, concurrency: 3, ratePerSecond: 7 };
}

Deno.test("PrewarmMemory gives back what was begun, as far as it has come, over any number of pages", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new PrewarmMemory(kv);
  const [many, few] = [kept("films", 3_000), kept("stars", 2)];
  await memory.begin(many);
  await memory.begin(few);
  await memory.advance({ ...many, done: 1_234 });
  assert.deepEqual(await new PrewarmMemory(kv).unfinished(), [{ ...many, done: 1_234 }, few]);
});

Deno.test("PrewarmMemory forgets what has ended, also where a note of its progress comes late", async () => {
  using kv = await Deno.openKv(":memory:");
  const memory = new PrewarmMemory(kv);
  const films = kept("films", 500);
  await memory.begin(films);
  const late = [memory.advance({ ...films, done: 400 }), memory.end("films"), memory.advance({ ...films, done: 500 })];
  await Promise.all(late);
  assert.deepEqual(await memory.unfinished(), []);
  assert.equal((await Array.fromAsync(kv.list({ prefix: [] }))).length, 0);
});

Deno.test("PrewarmMemory goes on from a cursor after a restart, and replaces one prewarm by the next", async () => {
  using kv = await Deno.openKv(":memory:");
  await new PrewarmMemory(kv).begin(kept("films", 800));
  const again = new PrewarmMemory(kv);
  await again.unfinished();
  await again.advance(kept("films", 800, 100));
  assert.equal((await again.unfinished())[0]!.done, 100);
  await again.begin(kept("films", 3));
  assert.deepEqual(await again.unfinished(), [kept("films", 3)]);
});

Deno.test("PrewarmMemory has nothing to say without KV, and takes half a list for none", async () => {
  const none = new PrewarmMemory(null);
  await none.begin(kept("films", 3));
  assert.deepEqual(await none.unfinished(), []);
  using kv = await Deno.openKv(":memory:");
  await new PrewarmMemory(kv).begin(kept("films", 3_000));
  await kv.delete(["prewarm", "films", "page", 1]);
  assert.deepEqual(await new PrewarmMemory(kv).unfinished(), []);
});
